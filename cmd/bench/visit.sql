\set s random(1, :sites)
\set p random(1, :people)
insert into bench.visit (site, offer_id, campaign_id, visitor_id, channel, live, visited_at) values (:s, :p, 1, bench.visitor((extract(epoch from clock_timestamp()) * 100000)::bigint), '', true, clock_timestamp());
