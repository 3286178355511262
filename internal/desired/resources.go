// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// defaultDriverResources are what the driver asks for where the spec says
// nothing.
func defaultDriverResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("10m"),
		corev1.ResourceMemory: resource.MustParse("32Mi"),
	}}
}

// readResources takes what is given whole. It refuses what the API server
// would refuse of the workload, under the name that the author of the spec
// knows.
func readResources(field string, given *corev1.ResourceRequirements, otherwise corev1.ResourceRequirements) (corev1.ResourceRequirements, error) {
	if given == nil {
		return otherwise, nil
	}
	if len(given.Claims) > 0 {
		return corev1.ResourceRequirements{}, invalid(field+".claims", "cannot be used, because the pod has no resourceClaims; remove it")
	}
	for _, name := range slices.Sorted(maps.Keys(given.Requests)) {
		request, limit := given.Requests[name], given.Limits[name]
		if _, limited := given.Limits[name]; limited && request.Cmp(limit) > 0 {
			return corev1.ResourceRequirements{}, invalid(field+".requests."+string(name), "%s is more than the limit of %s", request.String(), limit.String())
		}
	}
	return *given.DeepCopy(), nil
}
