# marketo-proxy as an image: the static binary, authorities to trust, a directory to write into, and no shell.
#
#   docker build --build-arg VERSION=v0.1.0 --build-arg REVISION=$(git rev-parse HEAD) -t marketo-proxy:v0.1.0 .
#
# The same sources, base and arguments give the same bytes; with buildah build --timestamp 0 also the same digest.
# Pin the base by digest where you build: golang:1.26.8-bookworm@sha256:… None stands here, since no registry could be asked for it
# where this was written.
FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ARG REVISION=unknown
ARG TARGETOS
ARG TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
      -ldflags "-s -w -buildid= -X main.version=$VERSION -X main.revision=$REVISION" \
      -o /out/usr/local/bin/marketo-proxy ./cmd/proxy \
 && mkdir -p /out/etc/ssl/certs /out/var/lib /state \
 && mkdir -m 700 /state/marketo-proxy \
 && cp -L /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
 && echo 'nonroot:x:65532:65532:nonroot:/var/lib/marketo-proxy:/sbin/nologin' > /out/etc/passwd \
 && echo 'nonroot:x:65532:' > /out/etc/group

FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="marketo-proxy" \
      org.opencontainers.image.description="A sidecar between applications and Marketo that keeps every failing call" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /out /
COPY --from=build --chown=65532:65532 /state /var/lib
# Captures and the interception CA are below /var/lib/marketo-proxy, for serve and for the commands that read them (docker exec …
# marketo-proxy captures ls). A ticket that goes to standard output is made there, too: there is no /tmp.
ENV PATH=/usr/local/bin \
    XDG_STATE_HOME=/var/lib \
    TMPDIR=/var/lib/marketo-proxy
VOLUME /var/lib/marketo-proxy
USER 65532:65532
# Each listener is on loopback unless it is told otherwise: --listen, --metrics-listen, --tls-listen.
EXPOSE 8080 8443 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/marketo-proxy", "probe", "readyz"]
ENTRYPOINT ["/usr/local/bin/marketo-proxy"]
