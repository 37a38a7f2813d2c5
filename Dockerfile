# A small image with nothing but the program: it runs as an account without rights, and needs to write only its state directory.
#   docker build --build-arg UNRESERVE_COMMIT="$(git show --no-patch --format='%h %cs')" -t unreserve .
#   docker run --read-only -v unreserve-state:/var/lib/unreserve -v ./url:/run/secrets/unreserve/database_url:ro \
#     -e UNRESERVE_DATABASE_URL_FILE=/run/secrets/unreserve/database_url -e UNRESERVE_PROFILE=malikli unreserve
FROM rust:1.95-slim-bookworm AS build
# What `--version` says; the build has no git.
ARG UNRESERVE_COMMIT=unknown
ENV UNRESERVE_COMMIT=$UNRESERVE_COMMIT
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package unreserve && install -d -o 65532 -g 65532 -m 0700 /state

FROM debian:bookworm-slim
COPY --from=build /src/target/release/unreserve /usr/local/bin/unreserve
COPY --from=build --chown=65532:65532 /state /var/lib/unreserve
ENV UNRESERVE_STATE_DIR=/var/lib/unreserve
USER 65532:65532
WORKDIR /var/lib/unreserve
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/unreserve"]
CMD ["daemon"]
