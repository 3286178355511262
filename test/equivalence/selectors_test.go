// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"strings"
	"testing"
)

// TestSelectors has the selector of a controller beside a node pool of the same
// driver, whose pods are labelled alike but for component and app.
func TestSelectors(t *testing.T) {
	const (
		account  = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: ns}\n"
		workload = `---
apiVersion: apps/v1
kind: KIND
metadata: {name: COMPONENT, namespace: ns, labels: {csi-operator.io/component: COMPONENT}}
spec:
  selector: SELECTOR
  template:
    metadata: {labels: {app: COMPONENT, family: x, csi-operator.io/component: COMPONENT, csi-operator.io/deployment: x}}
    spec: {serviceAccountName: a}
`
		ofNodes = "{matchLabels: {csi-operator.io/component: node, csi-operator.io/deployment: x}}"
	)
	cases := map[string]struct{ selector, want string }{
		"Operators":      {"{matchLabels: {csi-operator.io/component: controller, csi-operator.io/deployment: x}}", ""},
		"Users":          {"{matchLabels: {app: controller}}", ""},
		"UsersOfMany":    {"{matchLabels: {app: controller, family: x}}", ""},
		"Both":           {"{matchLabels: {app: controller, csi-operator.io/component: controller, csi-operator.io/deployment: x}}", ""},
		"Shared":         {"{matchLabels: {family: x}}", "selects the pods of DaemonSet/ns/node as well"},
		"Others":         {"{matchLabels: {app: node}}", "does not select its own pods"},
		"ComponentAlone": {"{matchLabels: {app: controller, csi-operator.io/component: controller}}", "does not select by csi-operator.io/deployment"},
		"DriverAlone":    {"{matchLabels: {app: controller, csi-operator.io/deployment: x}}", "does not select by csi-operator.io/component"},
		"Everything":     {"{}", "selects every pod"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text := account +
				strings.NewReplacer("KIND", "Deployment", "COMPONENT", "controller", "SELECTOR", tc.selector).Replace(workload) +
				strings.NewReplacer("KIND", "DaemonSet", "COMPONENT", "node", "SELECTOR", ofNodes).Replace(workload)
			_, err := FromObjects(parseManifests(t, text))
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
