# Two stages: the toolchain stays behind, the image holds one binary.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
COPY --from=build /src/target/release/facteur /usr/local/bin/facteur
VOLUME /data
EXPOSE 8080 25 587 465 143 993 110 995
ENTRYPOINT ["facteur"]
CMD ["serve"]
