package gpucheck

import "slices"

// Claims returns all claims in the order in which they are checked. The sweep of speeds
// comes last, because it takes all the time that is left.
func Claims() []Claim {
	return slices.Concat(machineClaims(), doctorClaims(), correctnessClaims(), bitsClaims(), shapesClaims(), faultsClaims(),
		scaleClaims(), decodeClaims(), speedClaims())
}
