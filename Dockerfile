FROM python:3.12-slim-bookworm

RUN useradd --create-home --uid 10001 mill && install -d -o mill /home/mill/.cache/lightmill
WORKDIR /app
# Empty: the torch that pip finds, with CUDA. For a small image give an index of CPU wheels.
ARG TORCH_INDEX=""
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY server server
COPY static static
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url ${TORCH_INDEX}} -c constraints.txt .
USER mill
EXPOSE 8080/tcp 8189/udp
HEALTHCHECK --interval=30s --timeout=3s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=2)"]
ENTRYPOINT ["lightmill"]
CMD ["serve"]
