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
#define BD_TX_INT	(1<<30)

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

// func receive(hw *Port) (slot, n uint32)
TEXT ·receive(SB),NOSPLIT|NOFRAME,$0-12
	MOVW	hw+0(FP), R0
	MOVW	Port_rxHead(R0), R1
	MOVW	Port_rxDesc(R0), R2
	MOVW	Port_rxGood(R0), R3
	AND	$(const_RingSize-1), R1, R4
	ADD	R4<<const_descShift, R2
	MOVW	desc_ctl(R2), R5
	MOVW	$const_rxJudged, R6
	AND	R5, R6
	CMP	R3, R6
	B.NE	slow
	MOVW	desc_ext(R2), R6	// BD_RX_ME is its sign
	BFC	$16, $16, R5	// leaves the length, with pad and FCS
	CMP	$0, R6
	B.LT	slow
	SUB	$(const_minLen+const_padFCS), R5, R6
	MOVW	$const_lengths, R7
	CMP	R7, R6
	B.HI	slow
	MOVW	R4<<2(R0), R4	// rxSlot is the first of Port
	ADD	$1, R1
	SUB	$const_padFCS, R5
	MOVW	R1, Port_rxHead(R0)
	DMB_SY	// the frame is read after ctl
	MOVW	R4, slot+4(FP)
	MOVW	R5, n+8(FP)
	RET
slow:
	B	·receiveSlow(SB)	// the same arguments and results

// QUEUE hands the frame of R2 bytes in slot R1, at bus address R4, over to the controller of port R0 and starts it, or goes to refused.
// See Start for what the end does.
#define QUEUE \
	MOVW	Port_txTail(R0), R5 \
	MOVW	Port_txHead(R0), R6 \
	SUB	R6, R5, R6 \
	CMP	$const_RingSize, R6 \
	B.HS	refused \
	SUB	$const_minLen, R2, R6 \
	MOVW	$const_lengths, R7 \
	CMP	R7, R6 \
	B.HI	refused \
	ADD	$1, R5, R6 \
	MOVW	R6, Port_txTail(R0) \
	AND	$(const_RingSize-1), R5 \
	ADD	R5<<2, R0, R6 \
	MOVW	R1, Port_txSlot(R6) \
	MOVW	Port_txDesc(R0), R6 \
	ADD	R5<<const_descShift, R6 \
	MOVW	Port_txExtra(R0), R7 \
	MOVW	$BD_TX_INT, R8 \
	MOVW	R4, desc_addr(R6) \
	MOVW	R8, desc_ext(R6) \
	ADD	R2, R7 \
	CMP	$(const_RingSize-1), R5 \
	ORR.EQ	$BD_W, R7 \
	MOVW	Port_base(R0), R8 \
	DMB_SY \
	MOVW	R7, desc_ctl(R6) \
	DSB_SY \
	MOVW	TDAR(R8), R7 \
	CMP	$0, R7 \
	MOVW.EQ	$TDAR_TDAR, R7 \
	MOVW.EQ	R7, TDAR(R8) \
	MOVW	$1, R0

// func queue(hw *Port, slot, n uint32) bool
TEXT ·queue(SB),NOSPLIT|NOFRAME,$0-13
	MOVW	hw+0(FP), R0
	MOVW	slot+4(FP), R1
	MOVW	n+8(FP), R2
	MOVW	Port_txBus(R0), R4
	ADD	R1<<const_slotShift, R4
	QUEUE
	MOVB	R0, ret+12(FP)
	RET
refused:
	B	·refused(SB)

// func queueFrom(hw *Port, slot, shift, n uint32) bool
TEXT ·queueFrom(SB),NOSPLIT|NOFRAME,$0-17
	MOVW	hw+0(FP), R0
	MOVW	slot+4(FP), R1
	MOVW	shift+8(FP), R3
	MOVW	n+12(FP), R2
	MOVW	Port_txBus(R0), R4
	ADD	R1<<const_slotShift, R4
	ADD	R3, R4
	QUEUE
	MOVB	R0, ret+16(FP)
	RET
refused:
	B	·refusedFrom(SB)
