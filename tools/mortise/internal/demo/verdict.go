package demo

import "fmt"

// Verdict judges a run from its oob rows and the number of requests that never entered the NIC: nil when every request was
// answered or forwarded, and there were some. What a stock driver loses while in-band is busy is no failure. A run that the user interrupted is not judged.
func Verdict(oob []Row, missing int, interrupted bool) error {
	if interrupted {
		return nil
	}
	sent, lost := 0, 0
	for _, row := range oob {
		answered := 0
		for _, c := range row.Cells {
			sent, answered = sent+c.Sent, answered+c.Answered
			if row.realTime() {
				lost += c.Lost
			}
		}
		if answered == 0 {
			return fmt.Errorf("%s: no reply at all", row.Name)
		}
	}
	switch {
	case missing > 0:
		return fmt.Errorf("%d oob requests never entered the NIC", missing)
	case lost > 0:
		return fmt.Errorf("%d of %d oob replies or forwarded frames were lost", lost, sent)
	case sent == 0:
		return fmt.Errorf("no oob port was measured")
	}
	return nil
}
