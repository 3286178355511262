#!/usr/bin/env bash
# Copyright The csi-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Generates everything anew and fails when that changes a file. It compares with
# the working tree, not with git, so it serves before a commit as well.
set -euo pipefail
cd "$(dirname "$0")/.."

before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
generated=(api config)

cp -a "${generated[@]}" "$before"
make --no-print-directory generate manifests >/dev/null

stale=0
for dir in "${generated[@]}"; do
	diff -ru "$before/$dir" "$dir" || stale=1
done
if [ "$stale" -ne 0 ]; then
	echo "generated files were stale; they are fresh now: review and commit them" >&2
	exit 1
fi
echo "generated files are fresh"
