package loops

const (
	budget = 32
	zero   = 0
)

var (
	words [64]uint32
	limit uint32
)

//oob:stage oob
func bounded(n uint32, p *[8]uint32) (sum uint32) { // want bounded:"oob"
	for range budget {
		sum++
	}
	for i := range words {
		sum += words[i]
	}
	for _, w := range p {
		sum += w
	}
	for i := range len(words) {
		sum += uint32(i)
	}
	for i := 0; i < budget; i++ {
		sum++
	}
	for i := uint32(0); i < n && i < budget; i++ {
		sum++
	}
	for i := n; i <= budget; i += 4 {
		sum++
	}
	for i := budget; i > 0; i-- {
		sum++
	}
	for i := uint32(budget); i >= 4; i -= 4 {
		sum++
	}
	for i := 0; budget > i; i++ {
		sum++
	}
	for i := 0; ; i++ {
		if i >= budget {
			break
		}
		sum++
	}
	for i := 0; ; i++ {
		if n == 0 || i == budget || i > budget {
			return sum
		}
	}
}

//oob:stage oob
func stated(n uint32, list []uint32) (sum uint32) { // want stated:"oob"
	//oob:loop budget a caller's promise
	for ; n > 0; n-- {
		sum++
	}
	for _, w := range list { //oob:loop len(words) as many as there are
		sum += w
	}
	//oob:loop n no constant
	for ; n > 0; n-- { // want `the bound "n" of this loop is no positive constant`
		sum++
	}
	//oob:loop zero no turn at all
	for ; n > 0; n-- { // want `the bound "zero" of this loop is no positive constant`
		sum++
	}
	//oob:total budget loops.bounded what one round takes the next does not find
	for n > 0 {
		n--
	}
	for range budget { //oob:loop budget seen anyway
		sum++
	}
	//oob:allow loop waits for the end of the world
	for {
	}
}

//oob:stage oob
func unbounded(n uint32, list []uint32) (sum uint32) { // want unbounded:"oob"
	for sum < 10 { // want `no constant bounds this loop: state the bound with //oob:loop CONSTANT why \[loop\]`
		sum += n
	}
	for range n { // want `no constant bounds this loop`
		sum++
	}
	for range list { // want `no constant bounds this loop`
		sum++
	}
	for i := uint32(0); i < n; i++ { // want `no constant bounds this loop`
		sum++
	}
	for i := uint32(0); i < limit; i++ { // want `no constant bounds this loop`
		sum++
	}
	for i := 0; i < budget; i++ { // want `no constant bounds this loop`
		i -= int(n)
	}
	for i := 0; i < budget || n > 0; i++ { // want `no constant bounds this loop`
		sum++
	}
	for i := int32(n); i < budget; i++ { // want `no constant bounds this loop`
		sum++
	}
	for i := uint8(0); i <= 255; i++ { // want `no constant bounds this loop`
		sum++
	}
	for i := uint8(0); i < 255; i += 2 { // want `no constant bounds this loop`
		sum++
	}
	for i := uint32(budget); i >= 0; i-- { // want `no constant bounds this loop`
		sum++
	}
	for i := n; i > 0; i-- { // want `no constant bounds this loop`
		sum++
	}
	for i := 0; ; i++ { // want `no constant bounds this loop`
		if i >= budget {
			continue
		}
	}
	for i := 0; ; { // want `no constant bounds this loop`
		if i >= budget {
			break
		}
	}
	var j uint32
	alias := &j
	for ; j < budget; j++ { // want `no constant bounds this loop`
		*alias = 0
	}
	for i := 0; i != budget; i += 3 { // want `no constant bounds this loop`
		sum++
	}
again:
	if sum < n {
		goto again // want `oob code jumps with goto.*\[loop\]`
	}
	for range func(yield func() bool) {} { // want `oob code ranges over a function` `oob code makes a closure`
	}
	return sum
}
