# Weir on Debian 12. What is installed, and that it suffices, is scripts/install's business, as it is for `make`.
#
#   docker build -t weir .
#   docker run -v weir-data:/var/lib/weir -v ./my-flow.yaml:/flow.yaml:ro weir run /flow.yaml
FROM debian:12.11-slim AS build
WORKDIR /src
COPY scripts/install scripts/
RUN scripts/install --yes build ui && rm -rf /var/lib/apt/lists/*
COPY . .
RUN --mount=type=cache,target=/root/.cache/ccache scripts/build -DWEIR_TESTS=OFF

FROM debian:12.11-slim
COPY scripts/install /opt/weir/install
RUN /opt/weir/install --yes runtime && rm -rf /opt/weir/install /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /var/lib/weir --create-home --shell /usr/sbin/nologin weir
COPY --from=build /src/build/weir /opt/weir/
COPY --from=build /src/build/plugins/*.so /src/build/plugins/*.types /opt/weir/plugins/
COPY --from=build /src/build/ui /opt/weir/ui
# A library that the group `runtime` forgot ends the build here, not the first start.
RUN ! ldd /opt/weir/weir /opt/weir/plugins/*.so | grep 'not found'
COPY deploy/healthcheck /opt/weir/
COPY flows /opt/weir/flows

# Relative paths of a flow (lake/…) land in the volume, beside the runtime's own data.
ENV PATH=/opt/weir:$PATH
ENV SENSOR_LIST=/opt/weir/flows/sensor-lake/sensors.json
WORKDIR /var/lib/weir
VOLUME /var/lib/weir
USER weir
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["/opt/weir/healthcheck"]
ENTRYPOINT ["weir"]
CMD ["run", "/opt/weir/flows/sensor-lake/flow.yaml", "--data", "/var/lib/weir/data", "--listen", "0.0.0.0:8080", \
  "--allow-unauthenticated-network"]
