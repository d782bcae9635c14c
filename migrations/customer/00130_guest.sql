-- +goose Up

-- A guest is known by the hash of an address only, which is its customer id: sha256: and 64 hexadecimal digits.
create index person_guest on customer.person (site_id, id) where customer_id like 'sha256:%' and merged_into is null and anonymized_at is null;

-- Whose hash that is. An address is ASCII, so its bytes are its letters.
create index person_email_sha256 on customer.person (site_id, sha256(decode(email_norm, 'escape'))) where email_norm is not null;
create index person_phone_sha256 on customer.person (site_id, sha256(decode(phone, 'escape'))) where phone is not null;
create index merge_of_duplicate on customer.merge (site_id, duplicate_id);
