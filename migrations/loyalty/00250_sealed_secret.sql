-- +goose Up

-- The secret that signs what is asked is sealed: a copy of this schema doesn't open it. One that is here already is sealed when a server begins.
alter table loyalty.fulfilment_hook alter column secret type bytea using convert_to(secret, 'UTF8');
