// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"maps"
	"slices"

	imageref "github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// imagesOf counts the images that the containers of a row run; nil where all run the
// wanted one.
func imagesOf(row desired.Row, pods []*corev1.Pod) []v1alpha1.RunningImage {
	counts := map[string]int32{}
	for i := range pods {
		status := statusOf(pods[i], row.Name)
		if status == nil || status.State.Running == nil {
			continue
		}
		for _, c := range pods[i].Spec.Containers {
			if c.Name == row.Name {
				counts[c.Image]++
			}
		}
	}
	if len(counts) == 0 || len(counts) == 1 && counts[row.Image] > 0 {
		return nil
	}
	list := make([]v1alpha1.RunningImage, 0, len(counts))
	for _, image := range slices.Sorted(maps.Keys(counts)) {
		r := v1alpha1.RunningImage{Image: image, Version: tagOf(image), Containers: counts[image]}
		if image == row.Image {
			r.Version = row.Version
		}
		list = append(list, r)
	}
	return list
}

// tagOf is the tag of an image; empty for none.
func tagOf(image string) string {
	named, err := imageref.ParseNormalizedNamed(image)
	if err != nil {
		return ""
	}
	if tagged, ok := named.(imageref.Tagged); ok {
		return tagged.Tag()
	}
	return ""
}
