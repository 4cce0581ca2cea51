# `latchkey serve` in a container, for development (docs/CONFIGURATION.md): the API on port 8787, the data in /data.
#
#     docker build -t latchkey .
#     docker run --rm -p 127.0.0.1:8787:8787 -v latchkey:/data latchkey

# The Rust of rust-toolchain.toml, on the Debian of the second image.
FROM rust:1.95.0-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
# The image has this version. Without the variable, rustup would download the components of rust-toolchain.toml, too.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package cli --bin latchkey && mkdir --mode=700 /data

# The C libraries, certificates and time zones: no shell, no package manager. Its user `nonroot` is 65532.
FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
COPY --from=build /src/target/release/latchkey /usr/local/bin/latchkey
# A named volume takes over the owner. The server refuses a directory of another user.
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8787
ENTRYPOINT ["/usr/local/bin/latchkey"]
# In a container, 127.0.0.1 cannot be reached from outside. With another address, the console and /_dev are off.
CMD ["serve", "--addr", "0.0.0.0", "--data-dir", "/data"]
