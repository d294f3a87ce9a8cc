package bpf

import (
	"math/bits"
	"unsafe"

	"mortise/stack/filter"
)

// Run returns the program's verdict on the frame of n bytes at addr, which is a multiple of four plus two. What lies outside
// of the frame is never read; nothing in it is changed. A run uses the program's own memory: one at a time. It drops the frame when
// its steps are used up; next has then the number of the instruction that would have come.
//
// Each step does a bounded piece of work, of about the same size: what takes longer, a division or a copy, is several steps.
// So the time that a run may take is its steps times the dearest one, and that is not far from the commonest.
//
// The operation lies in the highest bits of an instruction's word, so the tree of comparisons takes the word as it is.
// Leaves are reached by elimination: an operation that is none acts as one that is. The commonest are the shallowest, and
// what they share is written out in each: a jump in the tree costs as much as the addition it leads to. The instruction
// behind the last one is always RetK, so that the address needs no check as it moves on; a jump masks it.
//
// The compiler's pointer checks in tests under -race know no addresses that are integers: nocheckptr.
//
//go:nocheckptr
//oob:stage any
func (p *Program) Run(addr uintptr, n uint32) filter.Verdict {
	if n < ethernetLen {
		p.left = p.limit
		return p.verdict(0)
	}
	lo := (*[2 * Words]uint32)(unsafe.Pointer(&p.file))    // low halves, by twice the word's number
	hi := (*[2 * Words]uint32)(unsafe.Pointer(&p.file[1])) // high halves
	code := unsafe.Pointer(&p.code)
	ip, steps := unsafe.Add(code, p.first%MaxInsns*8), p.limit
	value := uint32(0) // what the program returns: 0, too, when it reads beyond the frame
steps:
	for ; steps != 0; steps-- { //oob:total PollSteps divert.Poll a device's budget is PollSteps over the steps of its program, frames
		in := (*Insn)(ip)
		ip = unsafe.Add(ip, 8)
		w := in.W
		if w < uint32(Mov)<<opShift {
			if w < uint32(JEQ)<<opShift {
				k := in.K
				if w >= uint32(LdB)<<opShift {
					if k >= n {
						break steps
					}
					lo[dst(w)], hi[dst(w)] = byteAt(addr+uintptr(k)), 0
				} else if w >= uint32(LdH)<<opShift {
					if k > n-2 {
						break steps
					}
					lo[dst(w)], hi[dst(w)] = halfAt(addr+uintptr(k)), 0
				} else if w >= uint32(LdW)<<opShift {
					if k > n-4 {
						break steps
					}
					at := addr + uintptr(k)
					if at&3 == 0 {
						lo[dst(w)], hi[dst(w)] = wordAt(at), 0
					} else {
						lo[dst(w)], hi[dst(w)] = halfAt(at)<<16|halfAt(at+2), 0
					}
				} else if w >= uint32(RetR)<<opShift {
					value = lo[dst(w)]
					break steps
				} else {
					p.left = steps - 1
					return filter.Verdict(k & 3)
				}
				continue
			}
			a, b := lo[dst(w)], lo[src(w)]
			if w < uint32(JGT)<<opShift {
				if a == b {
					ip = unsafe.Add(code, taken(in.K))
				} else {
					ip = unsafe.Add(code, other(in.K))
				}
			} else if w < uint32(JSET)<<opShift {
				if w < uint32(JGE)<<opShift {
					if a > b {
						ip = unsafe.Add(code, taken(in.K))
					} else {
						ip = unsafe.Add(code, other(in.K))
					}
				} else if a >= b {
					ip = unsafe.Add(code, taken(in.K))
				} else {
					ip = unsafe.Add(code, other(in.K))
				}
			} else if w < uint32(JSGT)<<opShift {
				if a&b != 0 {
					ip = unsafe.Add(code, taken(in.K))
				} else {
					ip = unsafe.Add(code, other(in.K))
				}
			} else if int32(a) > int32(b) || w >= uint32(JSGE)<<opShift && a == b {
				ip = unsafe.Add(code, taken(in.K))
			} else {
				ip = unsafe.Add(code, other(in.K))
			}
			continue
		}
		if w < uint32(Mov64)<<opShift {
			b := lo[src(w)]
			if w < uint32(Rsh)<<opShift {
				if w < uint32(Add)<<opShift {
					if w >= uint32(And)<<opShift {
						b &= lo[dst(w)]
					}
				} else if w < uint32(Lsh)<<opShift {
					b += lo[dst(w)]
				} else {
					b = lo[dst(w)] << (b & 31)
				}
				lo[dst(w)], hi[dst(w)] = b, 0
				continue
			}
			a := lo[dst(w)]
			if w < uint32(Xor)<<opShift {
				if w < uint32(Or)<<opShift {
					a >>= b & 31
				} else if w < uint32(Sub)<<opShift {
					a |= b
				} else {
					a -= b
				}
			} else if w < uint32(Arsh)<<opShift {
				if w < uint32(Mul)<<opShift {
					a ^= b
				} else {
					a *= b
				}
			} else if w < uint32(Neg)<<opShift {
				a = uint32(int32(a) >> (b & 31))
			} else if w < uint32(Divide)<<opShift {
				a = -a
			} else {
				r := lo[2*Rest]
				a, r = divideBit(a, b, r)
				a, r = divideBit(a, b, r)
				if b == 0 && w&1 != 0 {
					a = 0
				}
				lo[2*Rest] = r
			}
			lo[dst(w)], hi[dst(w)] = a, 0
			continue
		}
		if w < uint32(LdWI)<<opShift {
			d, s := (*uint64)(unsafe.Pointer(&lo[dst(w)])), (*uint64)(unsafe.Pointer(&lo[src(w)]))
			if w < uint32(JEQ64)<<opShift {
				b := *s
				if w < uint32(Rsh64)<<opShift {
					if w < uint32(Add64)<<opShift {
						if w >= uint32(And64)<<opShift {
							b &= *d
						}
					} else if w < uint32(Lsh64)<<opShift {
						b += *d
					} else {
						b = *d << (b & 63)
					}
					*d = b
					continue
				}
				a := *d
				if w < uint32(Xor64)<<opShift {
					if w < uint32(Or64)<<opShift {
						a >>= b & 63
					} else if w < uint32(Sub64)<<opShift {
						a |= b
					} else {
						a -= b
					}
				} else if w < uint32(Mul64)<<opShift {
					if w < uint32(Arsh64)<<opShift {
						a ^= b
					} else {
						a = uint64(int64(a) >> (b & 63))
					}
				} else if w < uint32(Neg64)<<opShift {
					a *= b
				} else {
					a = -a
				}
				*d = a
				continue
			}
			a, b, jump := *d, *s, false
			if w < uint32(JGE64)<<opShift {
				if w < uint32(JGT64)<<opShift {
					jump = a == b
				} else {
					jump = a > b
				}
			} else if w < uint32(JSGT64)<<opShift {
				if w < uint32(JSET64)<<opShift {
					jump = a >= b
				} else {
					jump = a&b != 0
				}
			} else if w < uint32(JSGE64)<<opShift {
				jump = int64(a) > int64(b)
			} else {
				jump = int64(a) >= int64(b)
			}
			if jump {
				ip = unsafe.Add(code, taken(in.K))
			} else {
				ip = unsafe.Add(code, other(in.K))
			}
			continue
		}
		k := in.K
		if w < uint32(LdStack)<<opShift {
			if w >= uint32(Msh)<<opShift {
				if k >= n {
					break steps
				}
				lo[dst(w)], hi[dst(w)] = byteAt(addr+uintptr(k))&15<<2, 0
				continue
			}
			off := lo[src(w)] + k
			if off >= n || w&1 != 0 && lo[src(w)] >= n {
				break steps
			}
			off += p.base
			if w >= uint32(LdBI)<<opShift {
				if off >= n {
					break steps
				}
				lo[dst(w)], hi[dst(w)] = byteAt(addr+uintptr(off)), 0
			} else if w >= uint32(LdHI)<<opShift {
				if off > n-2 {
					break steps
				}
				lo[dst(w)], hi[dst(w)] = halfAt(addr+uintptr(off)), 0
			} else {
				if off > n-4 {
					break steps
				}
				at := addr + uintptr(off)
				lo[dst(w)], hi[dst(w)] = halfAt(at)<<16|halfAt(at+2), 0
			}
			continue
		}
		stack := unsafe.Pointer(&p.file[2*StackWord])
		if w < uint32(Swap16)<<opShift {
			size := w & 15
			if w < uint32(StStack)<<opShift {
				off := lo[src(w)] + k
				if off > StackSize-size {
					return filter.Drop
				}
				at := unsafe.Add(stack, off)
				if size == 4 {
					lo[dst(w)], hi[dst(w)] = *(*uint32)(at), 0
				} else if size == 2 {
					lo[dst(w)], hi[dst(w)] = uint32(*(*uint16)(at)), 0
				} else if size == 1 {
					lo[dst(w)], hi[dst(w)] = uint32(*(*uint8)(at)), 0
				} else if size == 8 {
					lo[dst(w)], hi[dst(w)] = *(*uint32)(at), *(*uint32)(unsafe.Add(at, 4))
				}
				continue
			}
			off := lo[dst(w)] + k
			if off > StackSize-size {
				return filter.Drop
			}
			at := unsafe.Add(stack, off)
			if size == 4 {
				*(*uint32)(at) = lo[src(w)]
			} else if size == 2 {
				*(*uint16)(at) = uint16(lo[src(w)])
			} else if size == 1 {
				*(*uint8)(at) = uint8(lo[src(w)])
			} else if size == 8 {
				*(*uint32)(at), *(*uint32)(unsafe.Add(at, 4)) = lo[src(w)], hi[src(w)]
			}
			continue
		}
		if w < uint32(LoadBytes)<<opShift {
			a := lo[dst(w)]
			if w < uint32(Swap32)<<opShift {
				lo[dst(w)], hi[dst(w)] = a<<24>>16|a<<16>>24, 0
			} else if w < uint32(Swap64)<<opShift {
				lo[dst(w)], hi[dst(w)] = bits.ReverseBytes32(a), 0
			} else if w < uint32(Len)<<opShift {
				lo[dst(w)], hi[dst(w)] = bits.ReverseBytes32(hi[dst(w)]), bits.ReverseBytes32(a)
			} else {
				lo[dst(w)], hi[dst(w)] = n-k, 0
			}
			continue
		}
		if w < uint32(Copy)<<opShift {
			skip := p.base
			if w >= uint32(LoadFrame)<<opShift {
				skip = 0
			}
			off, size := lo[2*2], lo[2*4]
			if off >= n || size > n || off+skip > n-size {
				lo[0], hi[0] = ^uint32(13), ^uint32(0) // -EFAULT
				off = nowhere
			} else {
				lo[0], hi[0] = 0, 0
				off += skip
			}
			lo[2*CopyLeft], lo[2*CopyTo], lo[2*CopyFrom] = size, lo[2*3], off
			continue
		}
		left, to, from := lo[2*CopyLeft], lo[2*CopyTo], lo[2*CopyFrom]
		if left < 4 {
			if to > StackSize-left {
				break steps
			}
			at, b := unsafe.Add(stack, to), addr+uintptr(from)
			if from > n-left {
				b = uintptr(unsafe.Pointer(&zeros))
			}
			if left&2 != 0 {
				*(*uint8)(at), *(*uint8)(unsafe.Add(at, 1)) = uint8(byteAt(b)), uint8(byteAt(b+1))
				at, b = unsafe.Add(at, 2), b+2
			}
			if left&1 != 0 {
				*(*uint8)(at) = uint8(byteAt(b))
			}
			continue
		}
		if to > StackSize-4 {
			break steps
		}
		at, b := unsafe.Add(stack, to), addr+uintptr(from)
		if from > n-4 {
			b = uintptr(unsafe.Pointer(&zeros))
		}
		if left > 4 {
			lo[2*CopyLeft], lo[2*CopyTo], lo[2*CopyFrom] = left-4, to+4, from+4
			ip = unsafe.Add(ip, -8)
		}
		if (uint32(b)|to)&3 == 0 {
			*(*uint32)(at) = *(*uint32)(unsafe.Add(nil, b))
		} else if (uint32(b)|to)&1 == 0 {
			*(*uint16)(at), *(*uint16)(unsafe.Add(at, 2)) = *(*uint16)(unsafe.Add(nil, b)), *(*uint16)(unsafe.Add(nil, b+2))
		} else {
			*(*uint8)(at), *(*uint8)(unsafe.Add(at, 1)) = uint8(byteAt(b)), uint8(byteAt(b+1))
			*(*uint8)(unsafe.Add(at, 2)), *(*uint8)(unsafe.Add(at, 3)) = uint8(byteAt(b+2)), uint8(byteAt(b+3))
		}
	}
	if steps == 0 {
		p.left, p.next = 0, place(ip, code)+1
		return filter.Drop
	}
	p.left = steps - 1
	if p.ret[0] >= codes && value <= uint32(filter.VLAN) { // as all of eBPF end; else it would be a call
		return filter.Verdict(value)
	}
	return p.verdict(value)
}

// nowhere is an offset that no frame has, nor has what lies StackSize behind it.
const nowhere = 1 << 30

// zeros are what is copied from there.
var zeros uint32

// divideBit finds one more bit of a division by b: the dividend's bits leave a at the top, the quotient's come in below, r is
// the rest so far. By 0 the rest becomes the dividend: 4.1, RFC 9669.
//
//oob:stage any
func divideBit(a, b, r uint32) (quotient, rest uint32) {
	carry := r >> 31
	r = r<<1 | a>>31
	a <<= 1
	if carry != 0 || r >= b {
		r -= b
		a++
	}
	return a, r
}

// place returns the number of the instruction before ip.
//
//oob:stage any
func place(ip, code unsafe.Pointer) uint32 { return uint32(uintptr(ip)-uintptr(code))/8 - 1 }

// dst and src return an instruction's words as places in the file; taken and other a jump's targets as places in the code.
//
//oob:stage any
func dst(w uint32) uint32 { return w << 7 >> 23 }

//oob:stage any
func src(w uint32) uint32 { return w << 16 >> 23 }

//oob:stage any
func taken(k uint32) uint32 { return k % MaxInsns * 8 }

//oob:stage any
func other(k uint32) uint32 { return k << 7 >> 23 * 8 }

// byteAt, halfAt and wordAt return numbers that lie in a frame in network order. halfAt takes any address, and makes aligned
// accesses only, as DMA memory asks; wordAt a multiple of four.
//
//oob:stage any
func byteAt(addr uintptr) uint32 { return uint32(*(*uint8)(unsafe.Add(nil, addr))) }

//oob:stage any
func halfAt(addr uintptr) uint32 {
	if addr&1 != 0 {
		return byteAt(addr)<<8 | byteAt(addr+1)
	}
	return uint32(bits.ReverseBytes16(*(*uint16)(unsafe.Add(nil, addr))))
}

//oob:stage any
func wordAt(addr uintptr) uint32 { return bits.ReverseBytes32(*(*uint32)(unsafe.Add(nil, addr))) }
