# shellcheck shell=bash
# Copyright The csi-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Which cluster the scripts act on. Sourced, never run.
#
#   CLUSTER=local     two nodes on this machine, started where needed (root)
#   CLUSTER=existing  whatever the current kubeconfig names; its nodes must be
#                     able to pull the images, and to share the folder $POOLS

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LOCALCLUSTER=$root/bin/localcluster
CLUSTER=${CLUSTER:-local}
export POOLS=${POOLS:-/var/lib/csi-operator-pools}

# die prints the reason and ends the script.
die() {
	echo "error: $*" >&2
	exit 1
}

# use_cluster sets KUBECONFIG and KUBECTL, and starts the local cluster where it
# is wanted and not up.
use_cluster() {
	case $CLUSTER in
	local)
		"$LOCALCLUSTER" up
		KUBECONFIG=$("$LOCALCLUSTER" kubeconfig)
		KUBECTL=$("$LOCALCLUSTER" bindir)/kubectl
		;;
	existing)
		KUBECONFIG=${KUBECONFIG:-$HOME/.kube/config}
		[ -r "${KUBECONFIG%%:*}" ] || die "CLUSTER=existing needs a kubeconfig; set KUBECONFIG"
		KUBECTL=${KUBECTL:-$(command -v kubectl || true)}
		[ -n "$KUBECTL" ] || die "CLUSTER=existing needs kubectl in PATH or its path in KUBECTL"
		;;
	*)
		die "CLUSTER is \"$CLUSTER\"; it may be local or existing"
		;;
	esac
	export KUBECONFIG KUBECTL
}
