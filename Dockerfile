# The service in a container:
#
#   docker build -t looper .
#   docker run -d --name looper -p 127.0.0.1:3456:3456 -e LOOPER_API_TOKEN="$TOKEN" \
#     -v /path/to/your/repository:/workspace -v looper-logs:/logs -v looper-codex:/home/node/.codex looper
#   docker exec -it looper codex login
#
# It listens on every address of the container, and therefore refuses to start without a token of at
# least 16 characters. It runs as uid 1000 (node): the repository has to be writable for that user.
# Codex builds its sandbox from user namespaces, which most container runtimes deny: allow them, or
# set LOOPER_CODEX_SANDBOX=danger-full-access where the container is fence enough.
# One container to a log directory: the locks hold within one network namespace.

ARG NODE_VERSION=24

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN node scripts/build.mjs

FROM node:${NODE_VERSION}-bookworm-slim
# Empty: no codex; mount one, or install it in an image of your own, and name it in CODEX_EXEC_BINARY.
ARG CODEX_VERSION=0.169.0
RUN apt-get update \
 && apt-get install -y --no-install-recommends bubblewrap ca-certificates git procps tini \
 && rm -rf /var/lib/apt/lists/* \
 && if [ -n "$CODEX_VERSION" ]; then npm install -g --no-audit --no-fund "@openai/codex@$CODEX_VERSION"; fi \
 && npm cache clean --force
WORKDIR /opt/looper
COPY --from=build /build/package.json ./
COPY --from=build /build/dist ./dist
# A volume takes its owner from the folder that it covers.
RUN ln -s /opt/looper/dist/cli.js /usr/local/bin/looper \
 && mkdir -p /workspace /logs /home/node/.codex \
 && chown node:node /workspace /logs /home/node/.codex \
 && chmod 700 /logs
USER node
WORKDIR /workspace
ENV LOOPER_HOST=0.0.0.0 LOOPER_PORT=3456 LOOPER_LOG_DIR=/logs LOOPER_WORKSPACE=/workspace
VOLUME ["/workspace", "/logs", "/home/node/.codex"]
EXPOSE 3456
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.LOOPER_PORT}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# The init reaps what agents leave behind; it passes the signal to the service alone, which ends its run.
ENTRYPOINT ["tini", "--", "looper"]
CMD ["serve"]
