// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types. Ready is computed from the others in one place.
const (
	// ConditionReady is True when SpecValid, Applied, ControllerAvailable,
	// NodesRegistered, SidecarsHealthy, CapabilitiesMatch and ClassesInSync are.
	ConditionReady = "Ready"
	// ConditionSpecValid: the spec can be rendered.
	ConditionSpecValid = "SpecValid"
	// ConditionApplied: all rendered objects are in the cluster as rendered.
	ConditionApplied = "Applied"
	// ConditionControllerAvailable: at least one controller pod is ready.
	ConditionControllerAvailable = "ControllerAvailable"
	// ConditionNodesRegistered: enough nodes have registered the driver; False
	// when none has, or more than max(1, 10 %) of a pool have not.
	ConditionNodesRegistered = "NodesRegistered"
	// ConditionSidecarsHealthy: every container row is Healthy, or short only of
	// few nodes that are new, restart or have stopped reporting; see docs/api.md.
	ConditionSidecarsHealthy = "SidecarsHealthy"
	// ConditionCapabilitiesMatch: it is known what the driver can do, and the sidecars are
	// chosen by that.
	ConditionCapabilitiesMatch = "CapabilitiesMatch"
	// ConditionClassesInSync: the cluster has the kinds of all classes that the spec asks
	// for, and the StorageClasses, and no snapshot waits for somebody to take it.
	ConditionClassesInSync = "ClassesInSync"
	// ConditionChangeBlocked stands only while a change waits for somebody else: an
	// object that must be gone before it comes anew, or volumes that still need what
	// left the spec.
	ConditionChangeBlocked = "ChangeBlocked"
	// ConditionDeletionBlocked stands only while volumes or attachments keep a
	// deleted object from going.
	ConditionDeletionBlocked = "DeletionBlocked"

	// ConditionReconciling and ConditionStalled are those of kstatus. While Ready is True
	// neither stands; while it is not, exactly one of them does. Their reason and message
	// are those of the condition that causes them, and they have no events of their own.
	//
	// ConditionReconciling: what is missing is on its way, and nobody has to do anything.
	ConditionReconciling = "Reconciling"
	// ConditionStalled: somebody has to act, or a fault stands.
	ConditionStalled = "Stalled"
)

// Reasons of conditions. The event of a change carries the same reason.
const (
	ReasonReady    = "Ready"
	ReasonNotReady = "NotReady"
	ReasonDeleting = "Deleting"
	// ReasonNotKnown: a condition has not been computed for the newest spec yet.
	ReasonNotKnown = "NotKnown"

	ReasonValid   = "Valid"
	ReasonInvalid = "Invalid"
	// ReasonUnchecked: the spec is valid as far as the operator can know; the message tells
	// of the sidecars whose versions it does not know. The event of it is a warning.
	ReasonUnchecked = "Unchecked"

	ReasonApplied          = "Applied"
	ReasonNamespaceMissing = "NamespaceMissing"
	// ReasonConflict: an object of a wanted name exists and is not ours; nothing
	// of this deployment is applied.
	ReasonConflict = "Conflict"
	// ReasonApplyRefused: the API server refused an object; it said why.
	ReasonApplyRefused = "ApplyRefused"
	// ReasonRBACDenied: the operator lacks a right that it would have to grant.
	ReasonRBACDenied = "RBACDenied"
	// ReasonContested: others change an object again and again; it is put right less
	// often than they do.
	ReasonContested = "Contested"
	// ReasonApplyFailed: the API server could not be asked; it is tried again.
	ReasonApplyFailed = "ApplyFailed"
	// ReasonBlocked: a change cannot be made until somebody acts, such as deletes the
	// volumes that need what left the spec.
	ReasonBlocked = "Blocked"
	// ReasonPending: a change cannot be made yet, and will be without anybody's doing: it
	// waits for the end of what is being deleted, or of a rollout.
	ReasonPending = "Pending"
	// ReasonPlanOnly: something is not as rendered, and managementState is Plan.
	ReasonPlanOnly = "PlanOnly"
	// ReasonUnmanaged: something is not as rendered, and managementState is
	// Unmanaged.
	ReasonUnmanaged = "Unmanaged"
	// ReasonSpecInvalid: nothing is applied until SpecValid is True.
	ReasonSpecInvalid = "SpecInvalid"

	// ReasonNotWanted: the driver has no such part, and needs none.
	ReasonNotWanted = "NotWanted"
	// ReasonNothingDeployed: the spec could never be rendered, so nobody knows which parts
	// the driver has. The status of the condition is Unknown.
	ReasonNothingDeployed = "NothingDeployed"

	ReasonAvailable = "Available"
	// ReasonUnavailable: no controller pod is ready, and something is wrong with them.
	ReasonUnavailable = "Unavailable"

	ReasonRegistered = "Registered"
	// ReasonUnregistered: too many nodes are not registered, and something is wrong on one
	// of them.
	ReasonUnregistered = "Unregistered"
	ReasonNoNodes      = "NoNodes"

	ReasonHealthy = "Healthy"
	// ReasonStarting, of ControllerAvailable, NodesRegistered and SidecarsHealthy: pods
	// are missing or start, or roll out, and nothing has failed.
	ReasonStarting  = "Starting"
	ReasonUnhealthy = "Unhealthy"

	// ReasonKnown: the capabilities are known.
	ReasonKnown = "Known"
	// ReasonNotAsked: the driver has not been asked yet.
	ReasonNotAsked = "NotAsked"
	// ReasonNoAnswer: the driver did not answer as it should; the message says how.
	ReasonNoAnswer = "NoAnswer"
	// ReasonDiffers: the driver is not what the spec says.
	ReasonDiffers = "Differs"

	ReasonServed = "Served"
	// ReasonKindMissing: the CustomResourceDefinition of a class is not there; the class
	// is made when it is.
	ReasonKindMissing = "KindMissing"
	// ReasonClassMissing: a StorageClass of the spec is not there; the message names claims
	// that wait for it.
	ReasonClassMissing = "ClassMissing"
	// ReasonWaiting: snapshots of the driver wait, and nobody takes them.
	ReasonWaiting = "Waiting"

	// ReasonVolumesExist: PersistentVolumes or VolumeAttachments of the driver exist.
	ReasonVolumesExist = "VolumesExist"
)
