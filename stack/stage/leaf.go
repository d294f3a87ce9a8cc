//go:build tamago

package stage

// Kick asks the oob stage to run: an activation begins before the next in-band instruction, or when Start is called.
//
//oob:stage any
//go:noescape
func Kick()

// Wake asks in-band to run: its interrupt service takes WakeSGI.
//
//oob:stage any
//go:noescape
func Wake()

// Now returns the low word of the virtual counter (CNTVCT), which the timer compares with: differences are right up to
// 2³² ticks (68 s at 62.5 MHz).
//
//oob:stage any
//go:noescape
func Now() uint32

// Elapsed returns how many ticks of Now the activation under way has taken, from the vector's first instructions on.
//
//oob:stage oob
//go:noescape
func Elapsed() uint32

// Time returns the virtual counter: Now with its high word.
//
//oob:stage any
//go:noescape
func Time() uint64

// TicksPerSecond returns the frequency of Now in Hz (CNTFRQ): 62.5 MHz in QEMU, 8 MHz on i.MX6UL.
//
//oob:stage any
//go:noescape
func TicksPerSecond() uint32

// Arm lets the timer start an activation in ticks ticks from now (below 2³¹), once; it replaces what was armed before. An
// expired timer asserts its interrupt until dispatch calls Arm, ArmAt, ArmTime or Disarm.
//
//oob:stage any
//go:noescape
func Arm(ticks uint32)

// ArmAt is Arm for a time of Now, less than 2³¹ ticks ahead: a period stays free of drift. A time that has passed starts
// an activation at once.
//
//oob:stage any
//go:noescape
func ArmAt(time uint32)

// ArmTime is ArmAt for a time of Time, however far ahead.
//
//oob:stage any
//go:noescape
func ArmTime(time uint64)

// Disarm stops the timer, and takes back the interrupt of one that has expired.
//
//oob:stage any
//go:noescape
func Disarm()

// Expired reports whether the armed time has passed.
//
//oob:stage any
//go:noescape
func Expired() bool
