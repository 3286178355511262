#!/usr/bin/env bash
# Copyright The csi-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Brings up the cluster, puts the images on its nodes and installs the operator.
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "$0")/lib.sh"

grep -q "csi-operator:v${VERSION:?set VERSION to the version of the images}\$" "$root/config/manager/manager.yaml" ||
	die "config/manager/manager.yaml does not ask for the images of version $VERSION"
use_cluster
if [ "$CLUSTER" = local ]; then
	"$LOCALCLUSTER" image build --version "v$VERSION"
fi
# An interrupted test may have left fields, such as replicas, that it owned.
"$KUBECTL" apply --server-side --force-conflicts -k "$root/config/default"
# Images of the same tag may have changed: start the operator anew.
"$KUBECTL" -n csi-operator-system rollout restart deployment/csi-operator
"$KUBECTL" -n csi-operator-system rollout status deployment/csi-operator --timeout=180s
