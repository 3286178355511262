// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/internal/desired"
)

// account is the operator's ServiceAccount, as config/rbac binds it.
const (
	account          = "csi-operator"
	accountNamespace = "csi-operator-system"
	driverImage      = "pool.example.com/csi-pool-driver:v1.2.3"
)

var facts = desired.Facts{OperatorNamespace: accountNamespace, PoolDriverImage: driverImage, DriverVersion: "v1.2.3"}

// cluster is the one API server of this package's tests, with all rights.
var cluster struct {
	client.Client
	config   *rest.Config
	operator *operator
}

// parallel is how many tests run at once: they wait more than they work.
const parallel = "24"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", parallel); err != nil {
		panic(err)
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return 1, errors.New("KUBEBUILDER_ASSETS names no directory with etcd and kube-apiserver: run `make test`, which builds them and sets it")
	}
	ctrl.SetLogger(zap.New(zap.WriteTo(operatorLog())))
	env := &envtest.Environment{
		CRDDirectoryPaths:        []string{"../config/crd/bases"},
		ErrorIfCRDPathMissing:    true,
		ControlPlane:             envtest.ControlPlane{Etcd: &envtest.Etcd{}},
		ControlPlaneStartTimeout: 2 * patience,
		ControlPlaneStopTimeout:  patience,
	}
	env.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "true")
	defer func() { err = errors.Join(err, env.Stop()) }() // also after half a start
	cluster.config, err = env.Start()
	if err != nil {
		return 1, fmt.Errorf("starting the API server: %w", err)
	}
	cluster.config.QPS = -1 // many tests share one client
	if err := prepare(); err != nil {
		return 1, err
	}
	if cluster.operator, err = startOperator(); err != nil {
		return 1, err
	}
	code = m.Run()
	return code, cluster.operator.stop()
}

// prepare makes what an installation of the operator makes.
func prepare() error {
	scheme, err := Scheme()
	if err != nil {
		return err
	}
	if cluster.Client, err = client.New(cluster.config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	role, err := operatorRole()
	if err != nil {
		return err
	}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: accountNamespace}},
		role,
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: account},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: accountNamespace}},
		},
	} {
		if err := cluster.Create(context.Background(), o); err != nil {
			return fmt.Errorf("preparing the cluster: %w", err)
		}
	}
	return nil
}

// operatorRole is the ClusterRole that is shipped.
func operatorRole() (*rbacv1.ClusterRole, error) {
	text, err := os.ReadFile(filepath.Join("..", "config", "rbac", "role.yaml"))
	if err != nil {
		return nil, err
	}
	role := &rbacv1.ClusterRole{}
	return role, yaml.UnmarshalStrict(text, role)
}

// operator is a running manager with no rights but those of the operator's
// account.
type operator struct {
	client     client.Client // reads come from its cache
	reconciler *Reconciler
	traffic    *traffic
	release    *release // of Kubernetes, as the operator reads it
	cancel     context.CancelFunc
	done       chan error
}

func startOperator(edits ...func(*manager.Options)) (*operator, error) {
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	cache, err := CacheOptions()
	if err != nil {
		return nil, err
	}
	o := &operator{traffic: &traffic{}, done: make(chan error, 1)}
	cfg := rest.CopyConfig(cluster.config)
	cfg.QPS = -1
	cfg.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + accountNamespace + ":" + account,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + accountNamespace, "system:authenticated"},
	}
	cfg.Wrap(o.traffic.record)
	options := manager.Options{
		Scheme:     scheme,
		Cache:      cache,
		Logger:     named(ctrl.Log, ""),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)}, // a restart is in the same process
	}
	for _, edit := range edits {
		edit(&options)
	}
	mgr, err := ctrl.NewManager(cfg, options)
	if err != nil {
		return nil, err
	}
	if o.reconciler, err = newReconciler(mgr, facts); err != nil {
		return nil, err
	}
	o.release = &release{real: o.reconciler.kubernetes.server}
	o.reconciler.kubernetes.server = o.release
	ctx, cancel := context.WithCancel(context.Background())
	if err := o.reconciler.addTo(ctx, mgr); err != nil {
		cancel()
		return nil, err
	}
	o.client, o.cancel = mgr.GetClient(), cancel
	go func() { o.done <- mgr.Start(ctx) }()
	return o, o.awaitCache(ctx)
}

// awaitCache waits until the operator watches every kind that it applies: a read of
// another one is refused.
func (o *operator) awaitCache(ctx context.Context) error {
	return wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		for _, kind := range o.reconciler.optional.kinds() {
			if _, err := o.reconciler.labelled(ctx, "none", kind); err != nil {
				return false, nil //nolint:nilerr // not yet
			}
		}
		return true, nil
	})
}

func (o *operator) stop() error {
	o.cancel()
	return <-o.done
}

// operatorLog shows the operator's log only where OPERATOR_LOG is set: errors belong to
// many of the tests.
func operatorLog() io.Writer {
	if os.Getenv("OPERATOR_LOG") != "" {
		return os.Stderr
	}
	return io.Discard
}
