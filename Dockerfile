# This checkout in the environment that requirements.lock pins (from wheelhouse/ where it stands here):
#   docker build --tag prophet-memory . && docker run --rm prophet-memory
# regenerates every output and holds it against the checksums. Linted by the tests, not built by them.
FROM python:3.11-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/prophet-memory
COPY . .
# pip install --require-hashes --requirement requirements.lock, then the project.
RUN make .venv/prophet-environment
CMD ["make", "verify"]
