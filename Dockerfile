# One image for every process of the campus; docker-compose.yml says which process runs where.
FROM python:3.11-slim-bookworm AS build
WORKDIR /campus
COPY .ci/setup .ci/setup
COPY pyproject.toml requirements.lock README.md ./
# An image moves between machines, so llama.cpp is not built for the processor at hand: without
# GGML_NATIVE it asks for AVX2, FMA and F16C, which x86-64 servers have had since 2013.
ARG CMAKE_ARGS="-DLLAVA_BUILD=OFF -DGGML_NATIVE=OFF"
RUN .ci/setup

FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap libgomp1 libseccomp2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home campus \
    && install -d -o campus /var/lib/campus
WORKDIR /campus
COPY --from=build /campus/.venv .venv
COPY . .
ENV PATH=/campus/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CAMPUS_HOME=/var/lib/campus
USER campus
VOLUME /var/lib/campus
EXPOSE 8000
