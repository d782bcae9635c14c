# The program and nothing else: it is linked statically, and brings time zones, certificates' roots, pages and migrations itself.
# `make image` builds it, and `make image DOCKER=buildah` where there is no Docker.
FROM scratch
COPY --chown=65532:65532 bin/image/ /
USER 65532:65532
ENV TALKABLE_LISTEN=0.0.0.0:8080 TALKABLE_INTERNAL_LISTEN=0.0.0.0:8081 TALKABLE_DATA_DIR=/data TMPDIR=/tmp
EXPOSE 8080 8081
VOLUME /data
ENTRYPOINT ["/talkable"]
CMD ["serve"]
