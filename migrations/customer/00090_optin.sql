-- +goose Up

-- When a person first agreed to get mail, and messages to the phone. They stay when the person leaves: subscribed_at is what holds now.
alter table customer.person add column opted_in_at timestamptz, add column phone_opted_in_at timestamptz;
