# One image for all processes: `serve` unless told otherwise, `worker`, `migrate`.
#
#   docker build -t tallygate .
#   docker run --rm -e DATABASE_URL=... tallygate migrate
#   docker run -p 8000:8000 -e DATABASE_URL=... tallygate
#   docker run --no-healthcheck -e DATABASE_URL=... tallygate worker

ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS environment
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/tallygate/.venv
COPY requirements.lock /opt/tallygate/
RUN pip --python /opt/tallygate/.venv/bin/python install --require-hashes -r /opt/tallygate/requirements.lock
WORKDIR /opt/tallygate
COPY app app
COPY migrations migrations
COPY alembic.ini .
# The command that pyproject.toml names, made without a build backend, which the lock file does not hold.
RUN printf '%s\n' '#!/opt/tallygate/.venv/bin/python' 'import sys' 'from app.cli import main' 'sys.exit(main())' \
        > .venv/bin/tallygate \
    && chmod 755 .venv/bin/tallygate \
    && .venv/bin/python -m compileall -q app migrations

FROM python:${PYTHON_VERSION}-slim
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin tallygate
COPY --from=environment /opt/tallygate /opt/tallygate
ENV PATH=/opt/tallygate/.venv/bin:$PATH PYTHONPATH=/opt/tallygate PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/tallygate
USER 10001
EXPOSE 8000
# For `serve`; run anything else with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["tallygate"]
CMD ["serve", "--host", "0.0.0.0"]
