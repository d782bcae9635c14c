\set kind case when random(1, 100) <= 90 then 0 when random(1, 10) <= 5 then 1 else 2 end
\set s least(:sites, int(exp(random(0, 1000000000) / 1000000000.0 * ln(:sites + 1)) - 0.5))
\set s greatest(1, :s)
\set n case when :kind = 0 then :s - 1 + :sites * random(0, :visits / :sites - 1) when :kind = 1 then random(1, :people) else random(1, 1000000000000000) end
\set ref case when random(1, 50) = 1 then random(1, 20) else random(21, 1000000000000000) end
\set amount random(500, 20000)
select bench.purchase(:s, 'B' || :ref::text, :n, :kind, :amount);
