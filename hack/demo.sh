#!/usr/bin/env bash
# Copyright The csi-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Shows the main job step by step: one object makes a driver, a claim makes a
# volume, the volume follows its pod to another node, grows, and goes. Stops at
# the first step that fails, says which and why, and does not exit with 0.
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "$0")/lib.sh"

driver=pool.csi-operator.io
image=${WORKLOAD_IMAGE:-busybox:1.36}
number=0
current="starting"

trap 'explain $?' EXIT

# explain says which step failed and shows what one would look at first.
explain() { # exit code
	[ "$1" -ne 0 ] || return 0
	echo
	echo "demo failed at step $number: $current (exit code $1)" >&2
	[ -n "${KUBECTL:-}" ] || return 0
	k get csidd -o wide >&2 || true
	k get pods,pvc,pv,volumeattachments -A -o wide >&2 || true
	k get events -A --sort-by=.metadata.creationTimestamp 2>/dev/null | tail -n 15 >&2 || true
	echo "what the demo made stays for a look; remove it with: kubectl delete pod/writer pod/reader pvc/demo csidd/$driver" >&2
}

step() {
	number=$((number + 1))
	current=$*
	printf '\n[%d] %s (%ds)\n' "$number" "$current" "$SECONDS"
}

k() { "$KUBECTL" "$@"; }

# show prints a kubectl command and runs it.
show() {
	echo "    \$ kubectl $*"
	k "$@" | sed 's/^/    /'
}

# schedulable_nodes are the names of the nodes that take pods without a toleration.
schedulable_nodes() {
	k get nodes -o 'jsonpath={range .items[*]}{.metadata.name}{"\t"}{.spec.taints[*].effect}{"\n"}{end}' |
		awk -F'\t' '$2 !~ /(^| )(NoSchedule|NoExecute)/ {print $1}' | sort
}

# pod makes a pod with the claim on a node and waits until it is ready.
pod() { # name node
	k apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: default}
spec:
  terminationGracePeriodSeconds: 1
  nodeSelector: {kubernetes.io/hostname: $2}
  containers:
  - name: workload
    image: $image
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 1; done"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: demo}}]
YAML
	k wait --for=condition=Ready "pod/$1" --timeout=180s >/dev/null
	show get pod "$1" -o wide
}

step "A cluster with two nodes and the operator in it, from its own image"
"$(dirname "$0")/install.sh"
use_cluster
list=$(schedulable_nodes)
mapfile -t nodes <<<"$list"
[ "${#nodes[@]}" -ge 2 ] || die "the demo needs two nodes that take pods, found ${#nodes[@]}"
show get nodes -o wide
show -n csi-operator-system get pods -o wide

step "One object is the whole driver"
sed 's/^/    /' "$root/config/samples/pool-xfs.yaml"
sed "s#/var/lib/csi-operator-pools#$POOLS#" "$root/config/samples/pool-xfs.yaml" | k apply -f -
k wait --for=condition=Ready "csidd/$driver" --timeout=300s
show get csidriverdeployments
show get csidriver,storageclass
show -n csi-operator-system get deployment,daemonset,pods
show get csinodes -o 'custom-columns=NODE:.metadata.name,DRIVERS:.spec.drivers[*].name'

step "A claim and a pod that writes, on ${nodes[0]}"
k apply -f - <<YAML
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: demo, namespace: default}
spec:
  storageClassName: pool
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 384Mi}}
YAML
pod writer "${nodes[0]}"
k exec writer -- sh -c 'dd if=/dev/urandom of=/data/blob bs=1M count=8 2>/dev/null && sync'
written=$(k exec writer -- md5sum /data/blob)
echo "    written: $written"

step "PVC -> external-provisioner -> CreateVolume -> PV"
volume=$(k get pvc demo -o 'jsonpath={.spec.volumeName}')
show get pvc demo
show get pv "$volume" -o 'custom-columns=NAME:.metadata.name,DRIVER:.spec.csi.driver,HANDLE:.spec.csi.volumeHandle,PROVISIONED-BY:.metadata.annotations.pv\.kubernetes\.io/provisioned-by'

step "VolumeAttachment -> external-attacher -> ControllerPublishVolume"
show get volumeattachments -o 'custom-columns=NAME:.metadata.name,ATTACHER:.spec.attacher,PV:.spec.source.persistentVolumeName,NODE:.spec.nodeName,ATTACHED:.status.attached'

step "kubelet -> NodeStageVolume, NodePublishVolume -> the mount in the container"
show exec writer -- sh -c 'grep " /data " /proc/mounts; df -h /data'

step "The pod goes, another one on ${nodes[1]} reads the same bytes"
k delete pod writer --wait --timeout=180s >/dev/null
pod reader "${nodes[1]}"
read_back=$(k exec reader -- md5sum /data/blob)
echo "    read:    $read_back"
[ "$read_back" = "$written" ] || die "the bytes differ: wrote $written, read $read_back"
show get volumeattachments -o 'custom-columns=PV:.spec.source.persistentVolumeName,NODE:.spec.nodeName,ATTACHED:.status.attached'

step "The claim grows under the running pod"
k patch pvc demo --type merge -p '{"spec":{"resources":{"requests":{"storage":"768Mi"}}}}' >/dev/null
k wait --for='jsonpath={.status.capacity.storage}=768Mi' pvc/demo --timeout=180s >/dev/null
show get pvc demo
show exec reader -- df -h /data

step "How the driver is: kubectl get csidriverdeployments, and a row for each container"
show get csidriverdeployments
k get csidd "$driver" -o 'jsonpath={range .status.sidecars[*]}{.component}{"\t"}{.name}{"\t"}{.version}{"\t"}{.ready}{"/"}{.desired}{"\t"}{.state}{"\n"}{end}' |
	awk -F'\t' 'BEGIN {printf "    %-12s %-24s %-10s %-6s %s\n", "COMPONENT", "CONTAINER", "VERSION", "READY", "STATE"} {printf "    %-12s %-24s %-10s %-6s %s\n", $1, $2, $3, $4, $5}'

step "Everything goes, in order: pod, claim, volume, driver"
k delete pod reader --wait --timeout=180s >/dev/null
k delete pvc demo --wait --timeout=180s >/dev/null
k wait --for=delete "pv/$volume" --timeout=180s
k delete csidd "$driver" --wait --timeout=180s
left=$(k get all,sa,role,rolebinding,clusterrole,clusterrolebinding,csidriver,storageclass -A -l "csi-operator.io/deployment=$driver" -o name)
[ -z "$left" ] || die "left behind: $left"
echo "    nothing of $driver is left"

echo
echo "The demo went through in ${SECONDS}s."
if [ "$CLUSTER" = local ]; then
	echo "The cluster runs on: make demo-down removes it."
fi
