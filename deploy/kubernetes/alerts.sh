#!/bin/sh
# alerts.sh [NAME…]: gives rules of alerts/ to the Prometheus operator, each file as a PrometheusRule: slo and plantao, unless told
# (disks too, where PostgreSQL has a node_exporter: alerts/README.md). Where the operator selects rules by a label, name it:
# `RULE_LABELS='release: prometheus' deploy/kubernetes/alerts.sh`.

set -eu
alerts=$(cd "$(dirname "$0")/../../alerts" && pwd)
for name in ${*:-slo plantao}; do
  {
    echo 'apiVersion: monitoring.coreos.com/v1'
    echo 'kind: PrometheusRule'
    echo "metadata: { name: plantao-$name, namespace: plantao, labels: { ${RULE_LABELS:-} } }"
    echo 'spec:'
    sed 's/^/  /' "$alerts/$name.rules.yml"
  } | kubectl apply -f -
done
