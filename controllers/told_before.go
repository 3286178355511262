// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/health"
)

// The functions of this file read in a written status what an earlier process had waited
// for: another one must not call it well again until it has waited as long.

// toldOf tells whether the classes are said to be out of order for a reason.
func toldOf(d *v1alpha1.CSIDriverDeployment, reason string) bool {
	c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionClassesInSync)
	return c != nil && c.Reason == reason
}

// toldMissing tells whether a class is said not to be there.
func toldMissing(d *v1alpha1.CSIDriverDeployment) func(class string) bool {
	return func(class string) bool {
		c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionClassesInSync)
		return c != nil && strings.Contains(c.Message, missingClass(class))
	}
}

// toldOverdue tells whether a wait of health is said to have lasted too long.
func toldOverdue(rows []v1alpha1.SidecarStatus) func(key string) bool {
	rows = slices.Clone(rows)
	return func(key string) bool {
		return slices.ContainsFunc(rows, func(s v1alpha1.SidecarStatus) bool { return health.IsOverdue(s, key) })
	}
}

// toldUnwell tells whether a row is said not to be healthy: what is in its way is asked for
// at once.
func toldUnwell(rows []v1alpha1.SidecarStatus) func(string) bool {
	unwell := slices.ContainsFunc(rows, func(s v1alpha1.SidecarStatus) bool { return s.State != v1alpha1.SidecarHealthy })
	return func(string) bool { return unwell }
}

// toldUnled are the Leases that nobody is said to hold, although all containers are ready.
func toldUnled(rows []v1alpha1.SidecarStatus) map[string]bool {
	unled := map[string]bool{}
	for _, s := range rows {
		if s.Lease != "" && s.Leader == "" && s.Ready >= s.Desired && s.State != v1alpha1.SidecarHealthy {
			unled[s.Lease] = true
		}
	}
	return unled
}
