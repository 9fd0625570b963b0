# The environment on a CPU, or on a GPU with `docker run --gpus all`. Build it in a clone: DVC needs
# the .git folder, which is copied along.
#   docker build -t vdg .
#   docker run --rm -it vdg                                    # the whole pipeline
#   docker run --rm -it -v "$PWD:/vdg" vdg make test           # any target, on your own checkout
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*'

# outside the checkout, so that one that is mounted over it finds the packages, too
ENV VENV=/opt/venv PATH=/opt/venv/bin:$PATH
WORKDIR /vdg
# what the installation of the checkout itself reads; the code may change without a new layer
COPY Makefile requirements.lock pyproject.toml README.md LICENSE ./
COPY src/vdg/version.py src/vdg/
COPY pretrained pretrained/
RUN make setup PIP_NO_CACHE_DIR=1

COPY . .
CMD ["make", "repro"]
