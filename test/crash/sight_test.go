// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"slices"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// objects are objects of the cluster by what they are called.
type objects = map[plan.Ref]*unstructured.Unstructured

// sight is what is there at one time.
type sight struct {
	deployments map[string]*v1alpha1.CSIDriverDeployment
	objects     map[string]objects // by the driver that their label names
	leases      map[client.ObjectKey]bool
}

// look reads all deployments, every object with our label, and all Leases.
func (c *cluster) look(ctx context.Context) (sight, error) {
	s := sight{deployments: map[string]*v1alpha1.CSIDriverDeployment{}, objects: map[string]objects{}, leases: map[client.ObjectKey]bool{}}
	for _, kind := range desired.Kinds() {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := c.List(ctx, list, client.HasLabels{v1alpha1.LabelDeployment})
		if meta.IsNoMatchError(err) { // one that the cluster does not have
			continue
		}
		if err != nil {
			return s, fmt.Errorf("listing every %s: %w", kind.Kind, err)
		}
		for i := range list.Items {
			owner := list.Items[i].GetLabels()[v1alpha1.LabelDeployment]
			if s.objects[owner] == nil {
				s.objects[owner] = objects{}
			}
			s.objects[owner][plan.RefOf(&list.Items[i])] = &list.Items[i]
		}
	}
	leases := &coordinationv1.LeaseList{}
	if err := c.List(ctx, leases); err != nil {
		return s, fmt.Errorf("listing Leases: %w", err)
	}
	for i := range leases.Items {
		s.leases[client.ObjectKeyFromObject(&leases.Items[i])] = true
	}
	all := &v1alpha1.CSIDriverDeploymentList{}
	if err := c.List(ctx, all); err != nil {
		return s, fmt.Errorf("listing deployments: %w", err)
	}
	for i := range all.Items {
		s.deployments[all.Items[i].Name] = &all.Items[i]
	}
	return s, nil
}

// labelled lists, of every kind that the API server has, all objects with our label.
func (c *cluster) labelled(ctx context.Context) ([]string, error) {
	d, err := discovery.NewDiscoveryClientForConfig(c.config)
	if err != nil {
		return nil, err
	}
	lists, err := d.ServerPreferredResources()
	if err != nil {
		return nil, fmt.Errorf("asking which kinds there are: %w", err)
	}
	var found []string
	for _, list := range lists {
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, "list") {
				continue
			}
			names, err := c.labelledOf(ctx, list.GroupVersion, resource.Kind)
			if err != nil {
				return nil, err
			}
			found = append(found, names...)
		}
	}
	return found, nil
}

func (c *cluster) labelledOf(ctx context.Context, groupVersion, kind string) ([]string, error) {
	all := &metav1.PartialObjectMetadataList{}
	all.APIVersion, all.Kind = groupVersion, kind+"List"
	if err := c.List(ctx, all, client.HasLabels{v1alpha1.LabelDeployment}); err != nil {
		return nil, fmt.Errorf("listing every %s of %s: %w", kind, groupVersion, err)
	}
	names := make([]string, 0, len(all.Items))
	for _, o := range all.Items {
		names = append(names, fmt.Sprintf("%s %s/%s of %s", kind, o.Namespace, o.Name, o.Labels[v1alpha1.LabelDeployment]))
	}
	return names, nil
}
