export const dynamic = 'force-dynamic'; // Each page depends on the session, so no cache keeps one.

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body style={{ width: 'min(28rem, 90%)', margin: '2rem auto', font: '1rem/1.6 sans-serif' }}>{children}</body>
    </html>
  );
}
