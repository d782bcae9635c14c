package gatewayapi

import "github.com/talkable/talkable/internal/loyalty/loyaltyapi"

// PrintedStatement is a member's statement with whose it is.
type PrintedStatement struct {
	loyaltyapi.Statement
	FirstName, LastName string
}

// Document is a page with the headers that belong to it.
type Document struct {
	Headers map[string]string
	Body    []byte
}
