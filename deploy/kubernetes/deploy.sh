#!/bin/sh
# deploy.sh OVERLAY: migrates with the overlay's image, and only when that went well applies the overlay and waits until it runs.
#
# A migration that fails has left the schema as it was, and the version that runs goes on. kubectl is taken from PATH, with
# the context that it has.

set -eu
overlay=${1:?which overlay: small, large, or a folder of yours}
here=$(cd "$(dirname "$0")" && pwd)
[ -d "$overlay" ] || overlay="$here/overlays/$overlay"
[ -f "$overlay/kustomization.yaml" ] || { echo "There is no overlay $1" >&2; exit 64; }
migrate=${MIGRATE_FOLDER:-$here/migrate}

image=$(kubectl kustomize "$overlay" | sed -n 's/^ *\(- \)\{0,1\}image: *//p' | sort -u)
case $image in
'' | *[[:space:]]*) echo "The overlay must have one image, for all: $image" >&2; exit 65 ;;
esac

# A Job never changes, so the last one has to go first.
kubectl --namespace plantao delete job plantao-migrate --ignore-not-found --wait
kubectl kustomize "$migrate" | sed "s#image: .*#image: $image#" | kubectl apply -f -

# `kubectl wait` knows one condition: asked for both in turn, it says within seconds how it ended.
tries=0
until kubectl --namespace plantao wait --for=condition=complete --timeout=5s job/plantao-migrate; do
  if kubectl --namespace plantao wait --for=condition=failed --timeout=1s job/plantao-migrate; then
    kubectl --namespace plantao logs job/plantao-migrate --tail=20 || true
    echo 'The migration failed. The schema is as it was, and nothing else was changed.' >&2
    exit 1
  fi
  tries=$((tries + 1))
  if [ "$tries" -ge 120 ]; then
    echo 'The migration does not end. Nothing else was changed.' >&2
    exit 1
  fi
done

kubectl apply -k "$overlay"
kubectl --namespace plantao rollout status deployment/plantao-service --timeout=5m
kubectl --namespace plantao rollout status deployment/plantao-worker --timeout=5m
