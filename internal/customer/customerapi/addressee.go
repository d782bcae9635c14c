package customerapi

// Addressee is what is known of an e-mail address.
type Addressee struct {
	Email        string // as it was asked about
	Mark         string // the form in which addresses are compared; "" if it is none
	Valid        bool
	PersonID     int64 // 0: nobody has it
	Unsubscribed bool
}
