#!/usr/bin/env bash
# Copyright The csi-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Runs the end-to-end tests; `make e2e` has installed the operator before.
# TESTS names a regular expression of tests to run.
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "$0")/lib.sh"

use_cluster
if [ "$CLUSTER" = local ]; then
	export LOCALCLUSTER
else
	unset LOCALCLUSTER
fi
cd "$root"
# Tests that run at the same time wait for the cluster, not for a processor.
go test -tags e2e -parallel 4 -count=1 -timeout 40m -v -run "${TESTS:-.}" ./test/e2e
