# Two stages: the toolchain stays behind, the image holds one binary.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
COPY --from=build /src/target/release/facteur /usr/local/bin/facteur
# In a container only what is published is reached, so listening everywhere is the useful default.
ENV FACTEUR_DATA=/data FACTEUR_BIND=0.0.0.0 FACTEUR_PORTS=standard
VOLUME /data
EXPOSE 8080 25 587 465 143 993 110 995
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && head -1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["facteur"]
CMD ["serve"]
