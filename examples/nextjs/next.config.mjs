if (!process.env.LATCHKEY_API_KEY) {
  console.error('LATCHKEY_API_KEY is required: `cargo run` prints it, and it is in .latchkey/api-key.');
  process.exit(1);
}
export default { poweredByHeader: false };
