# One image for every process: the service by default, `node workers/main.ts` and `node migrations/command.ts up` by
# command. There is no build step: Node strips the types of the very files that are in the repository.

# The very version that the tests run on; Renovate moves both together, and adds the digest.
FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Production packages need no install script of their own; the Node that npm brings for development stays away.
# What @sentry/node brings for bundlers is of no use to a process that runs, and its command line is under another licence.
RUN npm ci --omit=dev --ignore-scripts --no-fund --no-audit && \
  npm cache clean --force && \
  rm -rf node_modules/@sentry/bundler-plugins node_modules/sentry

FROM node:24.21.0-bookworm-slim
# The commit that the image is made of, shown as a label and in plantao_build_info.
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="plantao" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.revision="${COMMIT}"
# Node would size its heap by the host's memory; a process needs a fifth of what it then takes. Whoever is started again in
# the same container, as a worker's quarantine, finds its modules compiled.
ENV NODE_ENV=production \
  BUILD_COMMIT="${COMMIT}" \
  NODE_OPTIONS="--max-semi-space-size=16 --max-old-space-size=192" \
  NODE_COMPILE_CACHE=/tmp/node-compile-cache
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY migrations migrations
COPY src src
COPY workers workers
# Owned by root and not writable: what runs cannot change what runs. By number, so that Kubernetes can see that it is not
# root; it is the user `node` of the image.
USER 1000:1000
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8080}/livez`, { signal: AbortSignal.timeout(2500) }).then((it) => process.exit(it.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
