// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	_ "embed" // for the audit policy
	"fmt"
	"os"

	"github.com/csi-operator/csi-operator/hack/internal/plan"
)

//go:embed audit-policy.yaml
var auditPolicy []byte

// AuditPolicy is what the API server records of requests. Tests compare it with the
// rights of those who asked.
func AuditPolicy() []byte { return auditPolicy }

func writeAuditPolicy(paths plan.Paths) error {
	if err := os.WriteFile(paths.AuditPolicy(), auditPolicy, 0o600); err != nil {
		return fmt.Errorf("writing the audit policy: %w", err)
	}
	return nil
}
