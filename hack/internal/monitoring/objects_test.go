// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// TestServiceMonitor: Prometheus finds the Service of the operator, and comes as its guard
// wants it.
func TestServiceMonitor(t *testing.T) {
	objects := render(t, "../../../config/prometheus")
	monitor := decode[monitoringv1.ServiceMonitor](t, objects, "ServiceMonitor")
	var service struct {
		object
		Spec struct {
			Ports []struct {
				Name string `json:"name"`
			} `json:"ports"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "config", "manager", "metrics_service.yaml")), &service); err != nil {
		t.Fatal(err)
	}
	found := service.Metadata
	if diff := cmp.Diff(found.Labels, monitor.Spec.Selector.MatchLabels); diff != "" {
		t.Errorf("-Service, +selector:\n%s", diff)
	}
	if found.Namespace != monitor.Namespace || found.Name != job {
		t.Errorf("Service %s in %s is not the job %s in %s", found.Name, found.Namespace, job, monitor.Namespace)
	}
	endpoint := monitor.Spec.Endpoints[0]
	if endpoint.Port != service.Spec.Ports[0].Name || endpoint.Path != "/metrics" || endpoint.Scheme.String() != "https" {
		t.Errorf("endpoint %s %s %v is not that of the Service", endpoint.Port, endpoint.Path, endpoint.Scheme)
	}
	if !endpoint.HonorLabels {
		t.Error("the labels of the target take the place of namespace and container")
	}
}

// TestAccess: every object of the folder is there, and the role by which Prometheus is let in
// is one that comes with the operator.
func TestAccess(t *testing.T) {
	objects := render(t, "../../../config/prometheus")
	var kinds []string
	for kind := range objects {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	if diff := cmp.Diff([]string{"ClusterRoleBinding", "PrometheusRule", "Role", "RoleBinding", "ServiceMonitor"}, kinds); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	var binding struct {
		RoleRef struct {
			Kind, Name string
		} `json:"roleRef"`
	}
	if err := yaml.Unmarshal(objects["ClusterRoleBinding"].text, &binding); err != nil {
		t.Fatal(err)
	}
	role := read(t, "config", "rbac", "metrics_reader_role.yaml")
	if binding.RoleRef.Kind != "ClusterRole" || !strings.Contains(role, "\n  name: "+binding.RoleRef.Name+"\n") {
		t.Errorf("%s %s is not in config/rbac", binding.RoleRef.Kind, binding.RoleRef.Name)
	}
}
