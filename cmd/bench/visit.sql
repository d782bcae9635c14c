\set s least(:sites, int(exp(random(0, 1000000000) / 1000000000.0 * ln(:sites + 1)) - 0.5))
\set s greatest(1, :s)
\set p random(1, :people)
insert into bench.visit (site, offer_id, campaign_id, visitor_id, channel, live, visited_at) values (:s, :p, 1, bench.visitor((extract(epoch from clock_timestamp()) * 100000)::bigint), '', true, clock_timestamp());
