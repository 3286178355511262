// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// ungranted says, by component, the first of its rights that a plan was to grant and that
// was not granted: the operator may not, or is not asked to.
func ungranted(p plan.Plan, report apply.Report) map[string]string {
	granted := map[plan.Ref]bool{}
	for _, a := range report.Applied {
		granted[a.Ref] = true
	}
	missing := map[string]string{}
	for _, change := range p {
		if granted[change.Ref] || change.Intent == nil || !strings.Contains(change.Ref.Kind, "Role") {
			continue
		}
		component := change.Intent.GetLabels()[v1alpha1.LabelComponent]
		if _, told := missing[component]; told {
			continue
		}
		if text := lack(change); text != "" {
			missing[component] = text
		}
	}
	return missing
}

// lack says what a change would grant; empty for nothing.
func lack(change plan.Change) string {
	switch {
	case change.Action == plan.Create:
		return change.Ref.String() + " is not there"
	case slices.ContainsFunc(change.Fields, isGrant):
		return change.Ref.String() + " is not as rendered"
	default:
		return ""
	}
}

func isGrant(field string) bool {
	return strings.HasPrefix(field, "rules") || strings.HasPrefix(field, "subjects") || strings.HasPrefix(field, "roleRef")
}
