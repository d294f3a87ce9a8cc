package enet

// The manual is IMX6ULLRM, i.MX 6ULL Applications Processor Reference Manual, Rev 1, 2017/11; its chapter 22 is the ENET.
// Names are the manual's without the instance prefix ENETx_; single-bit fields are masks named REGISTER_FIELD.

// Register offsets: p879, 22.5 Memory map/register definition, IMX6ULLRM.
const (
	EIR  = 0x004 // interrupt event, write 1 to clear
	EIMR = 0x008 // interrupt mask
	RDAR = 0x010 // receive descriptor active
	TDAR = 0x014 // transmit descriptor active
	ECR  = 0x024 // Ethernet control
	MMFR = 0x040 // MII management frame
	MSCR = 0x044 // MII speed control
	MIBC = 0x064 // MIB control
	RCR  = 0x084 // receive control
	TCR  = 0x0c4 // transmit control
	PALR = 0x0e4 // physical address, bytes 0–3
	PAUR = 0x0e8 // physical address, bytes 4–5
	OPD  = 0x0ec // opcode and pause duration
	TXIC = 0x0f0 // transmit interrupt coalescing
	RXIC = 0x100 // receive interrupt coalescing
	IAUR = 0x118 // individual address hash, upper
	IALR = 0x11c // individual address hash, lower
	GAUR = 0x120 // group address hash, upper
	GALR = 0x124 // group address hash, lower
	TFWR = 0x144 // transmit FIFO watermark
	RDSR = 0x180 // receive descriptor ring start
	TDSR = 0x184 // transmit descriptor ring start
	MRBR = 0x188 // maximum receive buffer size
	RSFL = 0x190 // receive FIFO section full
	RSEM = 0x194 // receive FIFO section empty
	RAEM = 0x198 // receive FIFO almost empty
	RAFL = 0x19c // receive FIFO almost full
	TSEM = 0x1a0 // transmit FIFO section empty
	TAEM = 0x1a4 // transmit FIFO almost empty
	TAFL = 0x1a8 // transmit FIFO almost full
	TIPG = 0x1ac // transmit inter-packet gap
	FTRL = 0x1b0 // frame truncation length
	TACC = 0x1c0 // transmit accelerator function
	RACC = 0x1c4 // receive accelerator function

	ATCR   = 0x400 // adjustable timer control
	ATVR   = 0x404 // timer value, as of the last capture
	ATPER  = 0x40c // timer period
	ATCOR  = 0x410 // timer correction
	ATINC  = 0x414 // time-stamping clock period
	ATSTMP = 0x418 // time of the last frame sent with TS
)

// Interrupt events: p889, 22.5.1 Interrupt Event Register, and p891, 22.5.2 Interrupt Mask Register, IMX6ULLRM.
const (
	EIR_BABR  = 1 << 30 // a received frame was longer than MAX_FL
	EIR_BABT  = 1 << 29 // a transmitted one was
	EIR_GRA   = 1 << 28 // graceful stop complete
	EIR_TXF   = 1 << 27 // frame transmitted
	EIR_TXB   = 1 << 26
	EIR_RXF   = 1 << 25 // frame received
	EIR_RXB   = 1 << 24
	EIR_MII   = 1 << 23 // MDIO transfer complete
	EIR_EBERR = 1 << 22 // bus error of the DMA: it has cleared ECR.ETHEREN
	EIR_LC    = 1 << 21
	EIR_RL    = 1 << 20
	EIR_UN    = 1 << 19 // transmit FIFO underrun

	EIR_TS_AVAIL = 1 << 16 // ATSTMP has a new value; not used: the descriptor has it, too
	EIR_TS_TIMER = 1 << 15 // the timer has wrapped at ATPER; not used
)

// Fields of the control registers: the descriptions that follow the memory map of p879, 22.5, IMX6ULLRM.
const (
	RDAR_RDAR = 1 << 24
	TDAR_TDAR = 1 << 24

	ECR_RESET   = 1 << 0 // clears itself
	ECR_ETHEREN = 1 << 1 // off: the DMA forgets its ring positions
	ECR_EN1588  = 1 << 4 // 32-byte descriptors
	ECR_DBSWP   = 1 << 8 // descriptors and buffers are little endian

	MMFR_ST       = 1 << 30
	MMFR_OP_WRITE = 1 << 28
	MMFR_OP_READ  = 2 << 28
	MMFR_PA       = 23 // shift, 5 bits
	MMFR_RA       = 18 // shift, 5 bits
	MMFR_TA       = 2 << 16

	MSCR_HOLDTIME  = 8 // shift, 3 bits: module clock cycles that MDIO is held, minus 1
	MSCR_MII_SPEED = 1 // shift, 6 bits: MDC = module clock / (2 × (MII_SPEED + 1))

	MIBC_DIS   = 1 << 31
	MIBC_IDLE  = 1 << 30
	MIBC_CLEAR = 1 << 29

	RCR_LOOP      = 1 << 0
	RCR_DRT       = 1 << 1 // half duplex: no reception while transmitting
	RCR_MII_MODE  = 1 << 2 // must be set
	RCR_PROM      = 1 << 3
	RCR_BC_REJ    = 1 << 4
	RCR_FCE       = 1 << 5 // obey PAUSE frames
	RCR_RMII_MODE = 1 << 8
	RCR_RMII_10T  = 1 << 9 // 10 Mb/s
	RCR_MAX_FL    = 16     // shift, 14 bits

	TCR_GTS  = 1 << 0 // graceful transmit stop
	TCR_FDEN = 1 << 2 // full duplex

	PAUR_TYPE = 0x8808 // the constant low half of PAUR: the type of PAUSE frames

	TFWR_STRFWD = 1 << 8 // store and forward

	TACC_SHIFT16 = 1 << 0 // two pad bytes precede the frame in the transmit buffer

	ATCR_EN      = 1 << 0
	ATCR_PEREN   = 1 << 4  // wrap at ATPER
	ATCR_RESTART = 1 << 9  // the timer is 0; other fields are ignored then
	ATCR_CAPTURE = 1 << 11 // the timer's value goes to ATVR

	ATINC_INC = 0 // shift, 7 bits: what the timer adds at each cycle of its clock, in ns

	RACC_LINEDIS = 1 << 6 // discard frames with MAC errors in the FIFO
	RACC_SHIFT16 = 1 << 7 // put two pad bytes ahead of the frame in the receive buffer
)

// Enhanced descriptors, 32 bytes, little endian. Word 0 is length (low half) and status (high half), word 1 the buffer's
// bus address, word 2 the extended status (low half) and control (high half), word 4 holds BDU, word 5 the 1588 timestamp: of a
// received frame always, of one that was sent with TS.
//
// Receive status: p1014, Table 22-35 Receive buffer descriptor field definitions, IMX6ULLRM (legacy, and the same in the
// enhanced form). Transmit: p1017, Table 22-37 Enhanced transmit buffer descriptor field definitions, IMX6ULLRM.
const (
	descShift = 5 // descSize = 32 bytes
	descSize  = 1 << descShift

	BD_RX_E  = 1 << 31 // empty: the device's
	BD_W     = 1 << 29 // wrap: the last of the ring
	BD_L     = 1 << 27 // last buffer of the frame
	BD_RX_M  = 1 << 24 // taken in promiscuous mode only
	BD_RX_BC = 1 << 23
	BD_RX_MC = 1 << 22
	BD_RX_LG = 1 << 21 // longer than MAX_FL
	BD_RX_NO = 1 << 20 // a number of bits that is no multiple of 8
	BD_RX_CR = 1 << 18 // FCS or PHY error
	BD_RX_OV = 1 << 17 // FIFO overrun: the other bits mean nothing
	BD_RX_TR = 1 << 16 // cut at FTRL: the other bits mean nothing

	BD_RX_ME  = 1 << 31 // word 2: MAC error
	BD_RX_INT = 1 << 23 // word 2: raise RXF and RXB

	BD_TX_R  = 1 << 31 // ready: the device's
	BD_TX_TC = 1 << 26 // append the FCS

	BD_TX_INT = 1 << 30 // word 2: raise TXF and TXB
	BD_TX_TS  = 1 << 29 // word 2: the frame gets a timestamp
	BD_TX_TXE = 1 << 15 // word 2: transmission failed, the next bits say how
	BD_TX_UE  = 1 << 13 // underflow
	BD_TX_EE  = 1 << 12 // excess collisions
	BD_TX_FE  = 1 << 11 // frame error
	BD_TX_LCE = 1 << 10 // late collision
	BD_TX_OE  = 1 << 9  // FIFO overflow
	BD_TX_TSE = 1 << 8  // the frame got no timestamp, or a wrong one
)
