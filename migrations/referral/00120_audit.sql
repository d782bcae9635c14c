-- +goose Up

-- The log is read together with those of other modules, by time.
drop index referral.audit_by_subject;
drop index referral.audit_by_action;
create index audit_by_time on referral.audit (site_id, at, id);
create index audit_by_subject on referral.audit (site_id, subject, subject_id, at, id);
create index audit_by_action on referral.audit (site_id, action, at, id);
