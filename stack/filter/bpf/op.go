package bpf

// Op is an operation. The order is that of Run's tree of comparisons: neighbours share what they begin with.
type Op uint8

// The operations. D is the destination word, S the source word, K the constant; "lo" their low 32 bits. What writes 32
// bits zeroes the high ones. Jumps go to K's low half when they are taken, else to its high half.
const (
	RetK Op = iota // end with the verdict K
	RetR           // end with the value lo D
	LdW            // lo D = the word at K in the frame; out of the frame: end with the value 0
	LdH            // the half word
	LdB            // the byte

	JEQ // lo D == lo S
	JGT // lo D > lo S
	JGE // lo D >= lo S
	JSET
	JSGT // signed
	JSGE

	Mov // lo D = lo S
	And
	Add
	Lsh // by lo S % 32
	Rsh
	Or
	Sub
	Xor
	Mul
	Arsh
	Neg    // lo D = -lo D
	Divide // two more bits of the quotient of lo D by lo S come into D, the dividend's leave it; Rest has the rest. Size 1: by 0 D is 0

	Mov64 // D = S
	And64
	Add64
	Lsh64 // by lo S % 64
	Rsh64
	Or64
	Sub64
	Xor64
	Arsh64
	Mul64
	Neg64

	JEQ64 // D == S
	JGT64
	JGE64
	JSET64
	JSGT64
	JSGE64

	LdWI // as LdW, at lo S + K from the program's byte 0; Size 1: out of the frame, too, when lo S is
	LdHI
	LdBI
	Msh       // lo D = 4 times the low half of the byte at K
	LdStack   // D = Size bytes of the stack at lo S + K
	StStack   // Size bytes of the stack at lo D + K = S
	Swap16    // D = the two low bytes, swapped
	Swap32    // the four
	Swap64    // all
	Len       // lo D = the frame's length less K
	LoadBytes // ready to copy lo R4 bytes of the packet at lo R2 to the stack at lo R3: R0 = 0, or -14 where they lie outside
	LoadFrame // the same, with offsets from the frame's first byte
	Copy      // copy four of them, zeros from outside; once more as long as any are left
)
