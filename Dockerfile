# syntax=docker/dockerfile:1
# check=error=true
# One file, one target per image; the last one, `space`, is what a Hugging Face Space builds.
#   docker build --target api .      api · worker · worker-train · worker-gpu · mlflow · space
# Each environment is made in a stage of its own, from what pyproject.toml and constraints.txt say; the code comes last.

FROM python:3.11.15-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba AS base

# --- environments: what is installed, without our code ---------------------------------------------------------------

FROM base AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PYTHON=/opt/overheard PIP_ROOT_USER_ACTION=ignore PIP_CONSTRAINT=/src/constraints.txt
WORKDIR /src
RUN python -m venv --without-pip /opt/overheard
COPY pyproject.toml constraints.txt ./
COPY deploy/requirements.py deploy/requirements.py

# Of the core the API leaves out what only scoring and the command line need, and of its packages what nothing imports:
# an import at the end of the image says whether that was too much, and compiles what it meets, alone.
FROM tools AS api-environment
RUN --mount=type=cache,target=/root/.cache/pip \
    python deploy/requirements.py postgres --without onnxruntime tokenizers rich typer > requirements.txt \
    && pip install --no-compile -r requirements.txt
WORKDIR /opt/overheard/lib/python3.11/site-packages
RUN rm -rf pyarrow/tests pyarrow/include pyarrow/src pyarrow/*flight* pyarrow/*.so.*.*.* \
        numpy/f2py numpy/distutils sqlalchemy/testing prompt_toolkit wcwidth \
    && find numpy -type d -name tests -prune -exec rm -rf {} + \
    && find . -regex '.*\.\(pyi\|pyx\|pxi\|pxd\)' -delete

# mlflow-skinny is its client: the io worker tells the server of trainings and models. EXTRA_PACKAGES: what a model
# store elsewhere takes, such as s3fs.
FROM tools AS worker-environment
ARG EXTRA_PACKAGES=""
RUN --mount=type=cache,target=/root/.cache/pip \
    python deploy/requirements.py postgres sources alerts --with flower mlflow-skinny ${EXTRA_PACKAGES} > requirements.txt \
    && pip install -r requirements.txt

# torch for the CPU comes from its makers' index, alone: nothing else is looked for there. 200 MB in place of 3 GB.
FROM worker-environment AS train-environment
ARG TORCH="--index-url https://download.pytorch.org/whl/cpu"
# hadolint ignore=DL3013 # constraints.txt pins it
RUN --mount=type=cache,target=/root/.cache/pip \
    python deploy/requirements.py train > requirements.txt \
    && pip install --no-deps ${TORCH} torch \
    && pip install -r requirements.txt

# The torch of PyPI brings the CUDA libraries along; the driver comes from the host.
FROM worker-environment AS gpu-environment
RUN --mount=type=cache,target=/root/.cache/pip \
    python deploy/requirements.py train > requirements.txt \
    && pip install -r requirements.txt

FROM tools AS mlflow-environment
COPY deploy/mlflow/requirements.txt mlflow.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -r mlflow.txt

FROM train-environment AS space-environment
RUN --mount=type=cache,target=/root/.cache/pip \
    python deploy/requirements.py local > requirements.txt \
    && pip install -r requirements.txt

# --- our code, with the facts of its package -------------------------------------------------------------------------

FROM tools AS code
COPY README.md LICENSE beat_schedule.py ./
COPY api api
COPY worker worker
COPY overheard overheard
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps --prefix /code .

FROM code AS api-code
RUN rm /code/lib/python3.11/site-packages/overheard/starter/model.onnx

# --- images ----------------------------------------------------------------------------------------------------------

# The root is never written to: state and large drafts are in /var/lib/overheard, small ones in /tmp.
FROM base AS runtime
RUN groupadd --gid 1000 overheard \
    && useradd --uid 1000 --gid 1000 --home-dir /var/lib/overheard --no-create-home --shell /usr/sbin/nologin overheard \
    && install -d -m 700 -o overheard -g overheard /var/lib/overheard /var/lib/overheard/tmp
ENV PATH=/opt/overheard/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONSAFEPATH=1 \
    OVERHEARD_HOME=/var/lib/overheard \
    OVERHEARD_HOST=0.0.0.0 \
    TMPDIR=/var/lib/overheard/tmp \
    HF_HOME=/var/lib/overheard/huggingface \
    MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /var/lib/overheard
VOLUME /var/lib/overheard
USER 1000

# SIGTERM: what waits becomes a job, then it ends, within 10 s.
FROM runtime AS api
COPY --from=api-environment /opt/overheard /opt/overheard
COPY --from=api-code /code /opt/overheard
USER 0
RUN python -c "import api.app, api.pages, overheard.batches.receive, overheard.batches.results, psycopg"
USER 1000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('OVERHEARD_PORT', '8000') + '/health/live', timeout=4)"]
CMD ["gunicorn", "-c", "python:api.serving", "api.app:create_app()"]

# SIGTERM: what was begun is finished, the rest is given back. Kinds: ml, io, beat, flower.
FROM runtime AS worker
COPY --from=worker-environment /opt/overheard /opt/overheard
COPY --from=code /code /opt/overheard
HEALTHCHECK --interval=30s --timeout=20s --start-period=120s CMD ["python", "-m", "worker.alive", "ml"]
ENTRYPOINT ["python", "-m", "worker"]
CMD ["ml"]

# SIGQUIT: a training ends at once, and goes on from its checkpoint wherever it is taken up next.
FROM runtime AS worker-train
COPY --from=train-environment /opt/overheard /opt/overheard
COPY --from=code /code /opt/overheard
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=30s --timeout=20s --start-period=120s CMD ["python", "-m", "worker.alive", "train"]
ENTRYPOINT ["python", "-m", "worker"]
CMD ["train"]

FROM runtime AS worker-gpu
COPY --from=gpu-environment /opt/overheard /opt/overheard
COPY --from=code /code /opt/overheard
ENV OVERHEARD_DEVICE=cuda NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
HEALTHCHECK --interval=30s --timeout=20s --start-period=300s CMD ["python", "-m", "worker.alive", "ml"]
ENTRYPOINT ["python", "-m", "worker"]
CMD ["ml"]

FROM base AS mlflow
RUN groupadd --gid 1000 mlflow \
    && useradd --uid 1000 --gid 1000 --home-dir /var/lib/mlflow --no-create-home --shell /usr/sbin/nologin mlflow \
    && install -d -m 700 -o mlflow -g mlflow /var/lib/mlflow
COPY --from=mlflow-environment /opt/overheard /opt/overheard
COPY --chmod=755 deploy/mlflow/serve /usr/local/bin/serve-mlflow
ENV PATH=/opt/overheard/bin:$PATH PYTHONUNBUFFERED=1 MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
WORKDIR /var/lib/mlflow
VOLUME /var/lib/mlflow
USER 1000
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:5000/health', timeout=4)"]
CMD ["serve-mlflow"]

FROM runtime AS space
COPY --from=space-environment /opt/overheard /opt/overheard
COPY --from=code /code /opt/overheard
COPY deploy/space/start.py /opt/overheard/space.py
ENV OVERHEARD_PORT=7860
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=300s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/health/ready', timeout=4)"]
CMD ["python", "/opt/overheard/space.py"]
