-- Copyright The csi-operator Authors.
-- SPDX-License-Identifier: Apache-2.0

-- What Argo CD shows as the health of a CSIDriverDeployment; docs/gitops.md tells where it
-- goes. It says what kstatus and `kubectl wait --for=condition=Ready` say.

local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local health = { status = "Progressing", message = "the operator has not looked at it yet" }
if conditions.Ready == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end
health.message = conditions.Ready.message
if obj.metadata.deletionTimestamp ~= nil then
  return health
end
if conditions.Stalled ~= nil then
  health.status = "Degraded"
  health.message = conditions.Stalled.message
elseif conditions.Ready.status == "True" then
  health.status = "Healthy"
end
return health
