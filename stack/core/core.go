// Package core is the contract between the devices and the companion core, which owns the oob stage: it decides which frames
// that stage takes.
//
// The companion core is a package chosen at build time and called statically. It provides the functions here but one by name:
//
//	//go:linkname Deliver mortise/stack/core.Deliver
//	//go:linkname Copy mortise/stack/core.Copy
//	//go:linkname Show mortise/stack/core.Show
//	//go:linkname Answered mortise/stack/core.Answered
//	//go:linkname Decided mortise/stack/core.Decided
//	//go:linkname PendingEvents mortise/stack/core.PendingEvents
//	//go:linkname Frames mortise/stack/core.Frames
//	//go:linkname Left mortise/stack/core.Left
//
// and an image links the one that it imports; two of them, or none, do not link. stack/oob is Mortise's own; core/coretest has a
// tiny one that shows what is needed, and image/tinycore is a firmware with it. Submit, Room, Came, Tag and Reap are what the devices provide to it.
//
// Stage: any. Does not support: two companion cores in an image.
package core

// Device is a device's address for Deliver, an integer of the companion core's choice: to have it at hand is shorter than to
// find it by a number. stack/divert keeps one for each device (divert.Adopt), and hands it over unseen.
type Device uintptr

// What Deliver returns. The slot is the caller's in each case but Kept.
const (
	// Inband: not ours. In-band gets the frame, of which no byte has changed.
	Inband uint32 = 0
	// Drop: consumed, and counted. The slot is free again.
	Drop uint32 = 1
	// Kept, plus the number of an empty slot in the low half: the core keeps the frame's slot and gives this one for it.
	Kept uint32 = 1 << 29
	// Forward, plus the number of a device in bits 16 to 23, plus a length in the low half: transmit Length(action) bytes of
	// the slot on that device, which gives an empty slot for it. With Back the frame begins four bytes further in front than
	// it came, with Ahead four bytes behind that.
	Forward uint32 = 1 << 30
	Back    uint32 = 1 << 24
	Ahead   uint32 = 1 << 25
	// Fan, plus the number of destinations in bits 16 to 23: the frame is for several. For each of them, numbered from 0, Copy
	// is called with a copy of the frame, or with the frame itself if that is not needed any more, and returns the action for it.
	// A bit of the four lowest ones, the lowest one for destination 0, says that the frame is for it as it is: such destinations share
	// it, on the devices that the next four times three bits name, and Copy is not called for them. PlainFor makes these bits.
	Fan uint32 = 1<<30 | 1<<28
	// Reply, plus the length of the answer in the low half: transmit Length(action) bytes of the slot on the device that
	// received it. Actions from Reply on are replies: the shortest test is for what is most urgent.
	Reply uint32 = 1 << 31
)

// Length returns the number of bytes to transmit for Reply and Forward.
//
//oob:stage oob
func Length(action uint32) uint32 { return action & 0xffff }

// Slot returns the slot that came for the frame's, for Kept.
//
//oob:stage oob
func Slot(action uint32) uint32 { return action & 0xffff }

// Shift returns by how many bytes the frame's start has moved, for Forward.
//
//oob:stage oob
func Shift(action uint32) uint32 { return action>>25&1*4 - action>>24&1*4 }

// To returns the device to transmit on, for Forward.
//
//oob:stage oob
func To(action uint32) uint32 { return action >> 16 & 0xff }

// Plain returns the set of destinations that the frame is for as it is, for Fan.
//
//oob:stage oob
func Plain(action uint32) uint32 { return action & 0xf }

// PlainTo returns the device of destination i, one of Plain's.
//
//oob:stage oob
func PlainTo(action, i uint32) uint32 { return action >> (4 + 3*(i&3)) & 7 }

// PlainFor returns what Fan's action says of destination i when the frame is for it as it is, on device dev.
//
//oob:stage inband
func PlainFor(i, dev uint32) uint32 { return 1<<(i&3) | dev&7<<(4+3*(i&3)) }

// Deliver decides on the frame of n bytes (FCS excluded) that dev received at addr, as frame.Memory.Frame returns it, and
// returns the action. The stage that drives the device calls it for each frame, in the order of their arrival.
//
//oob:stage oob
func Deliver(dev Device, addr uintptr, n uint32) uint32

// Copy decides on destination i of the frame that Deliver has just given to Fan, here the copy of n bytes at addr: it returns
// Forward, or Drop. It may change the copy.
//
//oob:stage oob
func Copy(dev Device, i uint32, addr uintptr, n uint32) uint32

// Answered is called behind each Reply, of a frame of n bytes: sent bytes of it are on their way, or none for want of room. What
// the core counts of an answer it counts here, where nobody waits for it.
//
//oob:stage oob
func Answered(dev Device, n, sent uint32)

// Show is called ahead of Deliver for each frame of a device that is listened to (divert.Device.Listen): the core may copy it, room
// times at most, and returns how often it did. It changes nothing.
//
//oob:stage oob
func Show(dev Device, addr uintptr, n, room uint32) (copies uint32)

// MaxShown is how many copies there is room for in an activation.
const MaxShown = 4

// Decided is called when all frames that an activation takes are decided, and answered, ahead of what no answer needs: empty
// slots for the ring, what is in-band's. What the core has to do because of them, it does here. It is not called when each of them
// was left to in-band, answered or sent on, and none was shown.
//
//oob:stage oob
func Decided()

// PendingEvents returns the number of events that the core has for in-band: when it is not 0 after an activation, in-band is
// woken.
//
//oob:stage any
func PendingEvents() uint32

// Frames returns how many frames of dev, of most, the core takes in an activation: less where each costs it much. It is called
// when dev is adopted.
//
//oob:stage inband
func Frames(dev Device, most uint32) uint32

// Submit sends n bytes of the frame in slot, the caller's, on device dev, and returns an empty slot for it. false: the device is
// not the oob stage's, or has no room now; the caller keeps slot. stack/divert provides it.
//
//oob:stage oob
func Submit(dev, slot, n uint32) (empty uint32, ok bool)

// Room reports whether Submit would take a frame for device dev now. What has been sent meanwhile is taken back for that. stack/divert
// provides it.
//
//oob:stage oob
func Room(dev uint32) bool

// RoomFor is Room for n frames at once: as many calls of Submit would then take theirs. stack/divert provides it.
//
//oob:stage oob
func RoomFor(dev, n uint32) bool

// Where the time of a frame is from.
const (
	NoTime   uint32 = iota // there is none
	Software               // the stage looked: when it took the frame up, or had handed it over
	Hardware               // the device's own clock, by which it noted the frame's start
)

// Came returns when the frame came in that Deliver, or Show, is called for, as the low word of the stage's time, and where that is
// from. It is to be called in that call. stack/divert provides it.
//
//oob:stage oob
func Came(dev uint32) (at, source uint32)

// Tag has Left called for the frame that Submit takes next for device dev. A device whose frames have no time does nothing, and says
// false. stack/divert provides it.
//
//oob:stage oob
func Tag(dev, tag uint32) bool

// Left is called when a frame that Tag was called for has left: it was submitted at the time queued, and left at the time at, which is
// from source. Frames that a device was set up anew over are not told of.
//
//oob:stage oob
func Left(tag, queued, at, source uint32)

// Reap has Left called for what has left of device dev by now: that comes without an event. stack/divert provides it.
//
//oob:stage oob
func Reap(dev uint32)
