package check

// flow is what an instruction does to the flow of control.
type flow uint8

const (
	next         flow = iota
	branch            // to target
	call              // of target; returns
	callRegister      // BLX Rm, BLR Xn
	ret               // from the function, or from the exception
	jumpRegister      // anywhere
	trap              // an exception on purpose: SVC, UDF, BKPT
	floating          // VFP or NEON
	unknown           // not decoded: the check sees nothing behind it
)

// operation is what the value analysis knows of an instruction; otherOp writes unknown values.
type operation uint8

const (
	otherOp   operation = iota
	movImm              // rd = imm
	movTop              // rd = imm | the bits keep of rd
	movReg              // rd = rm
	addImm              // rd = rn + imm
	addReg              // rd = rn + rm
	subReg              // rd = rn − rm
	andImm              // rd = rn & imm
	andReg              // rd = rn & rm
	maskTo              // rd has the bits of keep at most
	shiftR              // rd = rm >> imm
	shiftL              // rd = rm << imm
	cmpImm              // flags of rn − imm
	cmpReg              // flags of rn − rm
	teqImm              // Z of rn ^ imm
	loadWord            // rd = [rn + imm]
	storeWord           // [rn + imm] = rd
	storePart           // less than a word at [rn + imm]
)

// Registers, beside R0 to R14 and X0 to X30, which have their own numbers.
const (
	regSP   = 32
	regPC   = 33
	regZero = 34
	// registers is how many of those there are.
	registers = 31
)

// always is the condition of an unconditional instruction.
const always = 14

// insn is a decoded instruction.
type insn struct {
	pc         uint64
	raw        uint32
	cond       uint8
	flow       flow
	target     uint64
	targets    []uint64 // of a jumpRegister by a table
	op         operation
	rd, rn, rm uint8
	imm        uint64
	keep       uint64 // bits of rd that movTop keeps, that maskTo may set
	literal    uint64 // address of a load relative to PC
	wide       bool   // works on 64 bits
	flags      bool   // sets the flags
	subs       bool   // sets them as a comparison of rn with −imm does
	tests      bool   // a branch that compares rn with 0 itself
	size       uint8  // bytes loaded or stored, of each register
	pair       bool   // rd and rd2
	rd2        uint8
	several    bool   // STM, LDM
	indexed    bool   // the address has a second register
	post       bool   // rn moves behind the access
	writes     uint64 // registers that change, SP and PC excepted
	stores     bool   // to memory, by an address that is not SP's
	loads      bool

	ends     bool  // control never goes on behind it
	moved    int32 // added to rn by its writeback; 0 if that is not a constant
	spDelta  int32 // added to SP
	spBefore bool  // the address of loadWord and storeWord includes spDelta
	spLost   bool  // SP changes in another way
	spConst  bool  // SP is loaded from the literal
	spReg    int32 // SP changes by rm, this many times: 1, −1
	spSet    bool  // SP becomes rm

	vectors uint32 // vector registers that change
	saves   uint32 // vector registers that are stored
	float   bool   // computes with them
	fpsr    bool   // reads FPSR
}

// field returns n bits of w from bit lo on.
func field(w uint32, lo, n uint) uint32 { return w >> lo & (1<<n - 1) }
