//go:build tamago && arm

#include "go_asm.h"
#include "textflag.h"

// DMB SY and DSB SY (A8.8.43, A8.8.44, ARM DDI 0406C.d), by number as in drivers/mmio.
#define DMB_SY	WORD $0xf57ff05f
#define DSB_SY	WORD $0xf57ff04f

#define EIR		0x04
#define EIR_RXF		(1<<25)
#define RDAR		0x10
#define RDAR_RDAR	(1<<24)
#define TDAR		0x14
#define TDAR_TDAR	(1<<24)

#define BD_RX_E		(1<<31)
#define BD_W		(1<<29)
#define BD_RX_INT	(1<<23)

// func barrier()
TEXT ·barrier(SB),NOSPLIT|NOFRAME,$0-0
	DMB_SY
	RET

// func startTx(base uintptr)
TEXT ·startTx(SB),NOSPLIT|NOFRAME,$0-4
	MOVW	base+0(FP), R0
	DSB_SY
	MOVW	TDAR(R0), R1
	CMP	$0, R1
	MOVW.EQ	$TDAR_TDAR, R1
	MOVW.EQ	R1, TDAR(R0)
	RET

// func send(base uintptr, d *desc, ctl uint32)
TEXT ·send(SB),NOSPLIT|NOFRAME,$0-12
	MOVW	base+0(FP), R0
	MOVW	d+4(FP), R1
	MOVW	ctl+8(FP), R2
	DMB_SY
	MOVW	R2, (R1)
	DSB_SY
	MOVW	TDAR(R0), R1
	CMP	$0, R1
	MOVW.EQ	$TDAR_TDAR, R1
	MOVW.EQ	R1, TDAR(R0)
	RET

// func ack(base uintptr)
TEXT ·ack(SB),NOSPLIT|NOFRAME,$0-4
	MOVW	base+0(FP), R0
	MOVW	$EIR_RXF, R1
	MOVW	R1, EIR(R0)
	DMB_SY
	RET

// func refill(hw *Port, slots *[MaxRefill]uint32, n uint32)
// R3: the controller, R4: the ring, R5: slot 0's receive buffer, R6: the position, not yet modulo RingSize.
TEXT ·refill(SB),NOSPLIT|NOFRAME,$0-12
	MOVW	hw+0(FP), R0
	MOVW	slots+4(FP), R1
	MOVW	n+8(FP), R2
	MOVW	Port_base(R0), R3
	CMP	$const_MaxRefill, R2
	MOVW.HI	$const_MaxRefill, R2
	MOVW	Port_rxDesc(R0), R4
	MOVW	Port_rxBus(R0), R5
	MOVW	Port_rxFill(R0), R6
	ADD	R2, R6, R7
	MOVW	R7, Port_rxFill(R0)
	MOVW	$BD_RX_INT, R8
	B	test
slot:
	AND	$(const_RingSize-1), R6, R7
	MOVW.P	4(R1), R9
	ADD	R7<<const_descShift, R4, R12
	MOVW	R9, R7<<2(R0)	// rxSlot is the first of Port
	ADD	R9<<const_slotShift, R5, R9
	MOVW	R9, desc_addr(R12)
	MOVW	R8, desc_ext(R12)
	MOVW	$BD_RX_E, R9
	CMP	$(const_RingSize-1), R7
	ORR.EQ	$BD_W, R9
	DMB_SY	// the device sees E last
	MOVW	R9, desc_ctl(R12)
	ADD	$1, R6
test:
	SUB.S	$1, R2
	B.PL	slot	//oob:loop MaxRefill R2 counts down from that at most

	MOVW	Port_rxRecycled(R0), R7
	MOVW	$RDAR_RDAR, R8
	DSB_SY
	MOVW	R8, RDAR(R3)
	MOVW	R7, Port_rxMark(R0)
	RET
