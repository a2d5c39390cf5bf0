"""Words and letters by which languages are told apart: data for ``language``.

The commonest words of a language, as they stand between spaces, by its code of ISO 639-1. Words that are
common to several languages are of use too: they tell them from all others.
"""

from typing import Final

WORDS: Final = {
    "af": (
        "die en van is nie het wat vir met dat word aan om te deur sal hulle ook ons jou jy baie wees "
        "kan was sy maar my dit u of as geen al hierdie"
    ),
    "az": "və bu bir ilə üçün olan da də ki edir olaraq var isə daha hər onun sizin bizim çox görə",
    "ca": (
        "de la i el que els les amb per una és del al no es en dels aquest aquesta són més com seva "
        "també tota persona té dret ni qualsevol seus ha estat ser fins ens us gràcies hem molt però "
        "pel fitxer pogut fitxers nom directori mostra només està cap produït treball comissió línia "
        "valor paquet hi branca quan camí canvis llista després configuració lloc des repositori "
        "sortida fer missatge tipus submòdul número informació referència comissions clau poden als "
        "trobat opcions abans tots fusió crear cadena"
    ),
    "cs": (
        "a je v na se že to s z o do pro jako ale by jsem jsou za po od při které který si tak není "
        "jsme ve svého každý právo má své nikdo všichni jeho jejich lidé byl bylo nebo až také ještě "
        "pokud nám vám vás prosím děkuji mám dobrý den nelze být jestli souboru klíč počet chyba "
        "uživatele soubor seznam bude klíče tento pouze neplatný vypíše název návratový hodnota ze "
        "jméno zobrazí přepínač adresář všechny bez může příkaz kód pomocí vrátí nastaví mezi musí "
        "nebyl databázi použít vytvořit číslo souborů nový serveru než heslo řádek"
    ),
    "cy": (
        "y yn a yr i o ar ei mae am i'r ac wedi gan hawl gyda bod nid neu eu ein fydd sydd hyn fel "
        "diolch"
    ),
    "da": (
        "og i at det er en til af på for ikke med jeg der har den de vi du som kan et om hvis eller "
        "fra skal vil var men os mig din vores også efter meget blev hilsen tak hvad når denne nøgle "
        "ved dette bruges vis brug kun fil alle være venligst kunne ingen mellem bruger uden nummer "
        "filer indeholder blive ugyldig vises fejl antal navn mellemrum direktiv linjer bruge fjern "
        "nye angiv hvor tegn sæt findes valgte ny gruppe allerede adgangskode værdi samme oprette"
    ),
    "de": (
        "der die und das ist nicht ich zu den in mit sie es ein eine für von auf dem des wir auch als "
        "sich an werden wird bei oder aus nach noch haben sind ihr ihre kann wenn nur über wie einen "
        "bitte mir uns im zum zur durch grüße vielen dank hat war aber konnte keine beim um datei "
        "können wurde fehler einer kein verwendet muss unterstützt schlüssel einem existiert sein "
        "dateien diese tabelle angegeben verwenden alle eines dieser wert verzeichnis soll zeile typ "
        "spalte ungültige anzeigen erlaubt anzahl setzt müssen enthält bereits datenbank ohne "
        "änderungen benutzer neue vom"
    ),
    "en": (
        "the and to of is you in that for it this on are with be have not as we your or can at will "
        "from an if by was but has our they all please would what there do which their i my me about "
        "so thanks"
    ),
    "es": (
        "de la que el en y los se del las un por con no una para es su al lo como más pero sus le ha "
        "me si este esta usted muy hay todo son gracias también nos ya o está sin sobre mi te puede "
        "fue ser pudo archivo debe datos nombre valor fichero registro tiene número sección pueden "
        "usar línea directorio modo sólo entrada tabla opción índice usuario código columna servidor "
        "instrucción función salida cuando archivos tamaño mostrar clave crear indica formato "
        "operando versión válido fuera objeto argumento estado existe"
    ),
    "et": (
        "ja on ei et see ma ta oma kui ka mis seda aga nii või siis kes meie teie olen oli selle "
        "välja üks peab igal ning tema veel palun kuid tänan saab olla"
    ),
    "eu": (
        "eta da du pertsona guztiek dute eskubidea edota dagoen baten egiteko ez bat dira izan bere "
        "edo duen den baina hau egin beste zen nahi honen ere gure"
    ),
    "fi": (
        "ja on ei että jokaisella oikeus hänellä kaikilla ilman siihen olla tulee muu se hän oli en "
        "mutta ole ovat joka kun niin tämä minä kuin mitä olen myös tai sen jos jo vain hänen minun "
        "jotka voi kiitos me te sekä sitä siitä meidän virheellinen älä käytä kohteelle käyttää "
        "oltava kanssa lukualueen käytetty otettu ulkopuolella huomioon voida odotettiin liian "
        "sisäinen jälkeen käytetään kohteessa operandi valitsin tiedoston tue suora arvo tulosta "
        "tämän tässä kohteeseen sisältää uudelleen numero valitsinta rekisteri tiedosto tuntematon "
        "epäonnistui kelvollinen ennen valitsimen koko operandin tuota pitäisi kohteen"
    ),
    "fr": (
        "de la le et les des en un une est que pour dans du qui il au ce sur pas vous nous par plus "
        "je avec ne se sont à mais comme ou son sa si être cette aux votre nos notre leur même merci "
        "fait tout ont bonjour d l c n s j qu fichier peut doit pu données nom valeur ligne utiliser "
        "répertoire invalide fichiers liste été erreur serveur afficher registre colonne sortie "
        "nombre utilisé créer lors fonction échec commande indique supprimer taille sans défaut après "
        "jour vers trop clef depuis peuvent lignes seulement contient affiche avant déjà"
    ),
    "ga": (
        "an agus na is ar a le i do ní go bhfuil ag tá de sé siad nó mar gach chun aige duine ceart "
        "sin"
    ),
    "gl": (
        "de que e a o do da en un unha para os non co por as se dos das ao no na máis como polo á seu "
        "súa toda persoa ten dereito nin calquera dunha nunha tamén esta este pola são grazas indica "
        "ou está pode posíbel cando ficheiro con debe usuario texto nome barra espazo entrada chave "
        "grupo erro elemento fillo tamaño botón etiqueta estado usar menú número mostrar valor "
        "largura liña deben mostra ser hai ficheiros só modo orde marca icona letra xanela afecta "
        "opción"
    ),
    "hr": (
        "je i u se na da za od su ne s o što to koji nije sam ili bi ako kao te sve samo ali biti ima "
        "može svatko pravo bez njegove svojim prema kojima svi će koje smo ste hvala lijep gdje "
        "poštovani prije vas vam uvijek tko treba nam"
    ),
    "hu": (
        "a az és hogy nem is egy van meg ez de ha csak el mint már még vagy volt ki azt én mi lesz "
        "ezt kell minden nagyon köszönöm kérem önnek valamint után vannak amely szerint nincs elem "
        "kilépési érvénytelen felületi akkor lehet parancs fájl által kapcsoló tér címke kiírása "
        "fájlok használt gyermek kerül megadva használata üres hiba név értéke sikerrel aktuális "
        "érték következő nélkül kivéve sor csomagok archívum új kulcs utolsó tartalmazó argumentum "
        "adja felhasználó teljes megadott szöveg gomb parancsok"
    ),
    "id": (
        "yang dan di untuk dengan dari tidak ini itu pada dalam akan ke kami anda saya adalah atau "
        "bisa tentang sudah juga karena bahwa atas berhak secara maupun serta hal bukan saja lagi nya "
        "oleh ada mereka telah dapat lebih terima kasih setiap orang kita harus agar berkas sebuah "
        "instruksi nama nilai operan digunakan gunakan komit apakah baris hanya objek sebagai "
        "menggunakan jika ketika saat direktori pohon cabang indeks tak menentukan simbol referensi "
        "masukan kerja jalur pilihan jangan gagal perubahan daerah ulang pesan argumen jangkauan "
        "mungkin relokasi satu keluaran karakter perintah diluar"
    ),
    "is": (
        "og að er í á ekki það sem um við til ég þú en með hann af fyrir var þetta hún eru vera hafa "
        "eða þeir hefur allir skal rétt verið mjög kveðja takk"
    ),
    "it": (
        "di che e la il un per non è in del della sono a le una i con da si come più al dei alla nel "
        "lo gli anche ma ha suoi ogni individuo ed nella propri tutte né se questo questa o delle mi "
        "ci vi suo grazie essere sua buongiorno dal ho tutti impossibile possibile può stato solo "
        "nome durante chiave deve errore valore numero tabella colonna eseguire riga dati indica "
        "valido funzione imposta usa possono comando usare relazione quando lavoro prima cui percorso "
        "modalità versione esiste dopo contiene nuovo formato mostra informazioni dimensione creare "
        "specificato uno già"
    ),
    "lt": (
        "ir yra kad į ne su tai bet kaip iš už ar jis jo mes jūs nuo tik jei dėl apie taip kurie savo "
        "turi prie buvo man labai gali būti teisę ačiū visi prašau"
    ),
    "lv": (
        "un ir ka ar par uz no ne tas es kas bet lai vai jūs mēs viņš tā arī kā pie šo tikai pēc savu "
        "būt nav ikvienam tiesības lūdzu paldies tiek ļoti"
    ),
    "ms": (
        "yang dan di untuk dengan dari tidak ini itu pada dalam akan ke kami anda saya adalah atau "
        "boleh telah hendaklah kerana berhak serta lain mana-mana tiada semasa bagi sahaja oleh ada "
        "mereka bahawa dapat lebih terima kasih setiap orang kita sila"
    ),
    "mt": (
        "u li ta il ma għandu hu f'dan jew biex għal dritt kull tal bħala kif dan din jista huma minn "
        "fil mhux hemm wieħed persuna lill jkun lil kien"
    ),
    "nl": (
        "de het een van en in is dat op te niet ik zijn voor met die je u we aan er maar om ook als "
        "bij naar uit dit wij hebben heeft worden wordt nog kan door over zal of mijn uw zo hoe ons "
        "groeten bedankt deze geen bestand gebruikt optie bestanden gegeven gebruiker tonen dan naam "
        "ongeldige moet waarde gebruiken alleen alle nieuwe aantal zonder huidige regel pakket waar "
        "groep verwijderen gebruik bevat plaats indien tekenreeks opdracht lijst werd pakketten "
        "weergegeven nummer instellen wanneer versie standaard tenzij tussen fout opties directief"
    ),
    "no": (
        "og i det er en til av på for ikke med jeg som har den de vi du at kan et om hvis eller fra "
        "skal vil var men oss meg din vår også etter noe mye ble hilsen takk hva når bare være dere "
        "mellom gjennom sin denne klarte valgt ugyldig dette bruk brukes feil ut ikkje skriv ved "
        "nøkkel bruker vis inn ingen endre antall navn alle ein vert fil filer mindre nøkkelen bruke "
        "gjeldende må lage vises brukt blir finnes opp programmet allerede eit linjer enn ny verdi "
        "linje valget"
    ),
    "pl": (
        "i w na z do nie to się że jest o a za od po jak przez dla ale co są oraz czy tylko tym tego "
        "jego ma być lub także już mnie państwa proszę dziękuję będzie który która które może pan "
        "pani dzień dobry bardzo przy jako bo mam jej ich można pliku sekcja jeśli plików aby ten "
        "plik sekcji wartość nazwy błąd katalogu bez klucz klucza repozytorium użyj ze nazwa opcji "
        "użytkownika drzewa podczas pliki podano zamiast wszystkie powiodło stan linii wartości "
        "indeksu należy niż użyć brak danych zmiany zawiera uzyskać opcja pamięci gałęzi użycie"
    ),
    "pt": (
        "de que e o a do da em um para com não uma os no se na por mais as dos como mas ao ele das à "
        "seu sua ou quando muito nos já eu também só pelo pela até isso são você obrigado está tem "
        "foi ser pode lhe ficheiro nome arquivo entrada incapaz possível número ficheiros linha opção "
        "saída valor formato apenas esta comando este sem argumento linhas fonte modo dados "
        "impossível grupo arquivos usar usa nenhum mostra opções utilizador memória texto mensagens "
        "estado padrão mensagem pacote espaço erro mostrar cada criar antes"
    ),
    "ro": (
        "de și în a la cu nu că pe o un să din este se mai pentru care sau ca sunt fi au dar prin "
        "după fost lui acest această dumneavoastră mulțumesc va am noi orice dreptul are ale si sa ne "
        "vă dacă specifică poate fie când al trebui starea nume numele cheia numărul ce returnează "
        "fișier fără opțiunea cheie secțiunea trebuie eroare intrare utilizat opțiune utilizează "
        "fiecare toate şi doar afara unui valoarea fișierul fişierul între valoare spațiu ieșire "
        "excepția afișează numai există caractere utilizator cazului"
    ),
    "sk": (
        "a je v na sa že to s z o do pre ako ale by som sú za po od pri ktoré ktorý si tak nie sme "
        "bol bolo vo zo svoje svojho nikto všetci jeho ich ľudia buď voči alebo až aj ešte keď nám "
        "vám vás prosím ďakujem mám dobrý deň každý má právo či ak súbor byť číslo možné súboru "
        "použiť môže hodnota tento reťazec pomocou medzi nedá majú návratová direktíve názov počet "
        "kľúč vráti iba namiesto zadajte táto prvok výstup položky hodnotu už používateľ nastaviť "
        "bude kódovanie neplatná obsahuje zobraziť chyba bez používateľa zobrazí správy súbory len"
    ),
    "sl": (
        "je in v na se da za ne so s z o ki pa ni ali bi to od po tudi kot sem pri ima če še vse bo "
        "le lahko biti lep pozdrav hvala nam vas vam vsakdo pravico njegove med naj mogoče datoteke "
        "možnost izbrana iz brez ime vrednost številka vsebuje datotek datoteka ta uporabi izbiro "
        "kadar stanje vrstice nabor znakov direktivi število niz predmeta več ko besedilo strani vrne "
        "sporočil podrejenega prikaže bodo datoteko seznam ob imena namesto uporabljen izbira lupine "
        "razen oznake način"
    ),
    "sq": (
        "të dhe në e i një për me që nuk është nga si se do ka kjo ky por janë më tij saj ose çdo ai "
        "ju ne"
    ),
    "sv": (
        "och i att det är en på som för av med inte till jag har den de vi du kan ett om eller från "
        "ska vill var men oss mig din vår också efter mycket blev hälsningar tack vad när så skall "
        "sig utan alla här kunde måste vara vid använd denna bort finns ta visa detta över använda "
        "stöds misslyckades skapa endast innehåller bara än namn kommer värde fil ogiltig ingen ange "
        "användas huruvida utanför fel ut redan skriv tabell filer istället används får tillåts "
        "generera kolumn samma typ använder"
    ),
    "sw": (
        "na ya wa kwa ni za katika la kuwa hii hiyo yake au kila mtu ana haki pia lakini sana asante "
        "bila"
    ),
    "tl": (
        "ang ng sa mga na at ay ko mo ka hindi ito kung para ni may siya po lang ako isang bawat "
        "kanyang"
    ),
    "tr": (
        "ve bir bu da de için ile ne çok var olarak gibi daha kadar ama en mi olan değil ben sonra "
        "her o olduğu göre sayın lütfen teşekkür veya bizim sizin herkes şahsın hakkı şu geçersiz "
        "yeniden anahtar dosya çalışma içinde yok dosyası geçerli yalnızca tüm yerine ya eğer "
        "kullanıcı tarafından göster seçeneği uzak yeni hatalı ancak fazla değeri satır çıkış olmayan "
        "birleştirme hata girdi başarısız komut çıktı aynı öntanımlı işleme nesne dal dosyaları paket "
        "izin önce boş alt yerel"
    ),
    "vi": (
        "và của là có không cho trong được người với các một những này để đã khi tôi bạn về từ mọi "
        "quyền như ở đến cũng anh chị xin ra vào sẽ cảm ơn hay thể tin tập dùng mục chuyển số chỉ "
        "định thay tùy chọn đổi đối thị bỏ đầu tên lần lại việc giao phải hợp lỗi làm hiển nếu dụng "
        "thư ghi kết bị ký hiện lệnh tượng cần đặt tự theo bản dạng chưa gặp"
    ),
    "uk": (
        "і та в у на що не з до за це як є я але для від про ми ви він вона або так його їх було бути "
        "при якщо дякую також щоб має кожна людина право був вдалося можна значення даних час під "
        "файл лише може помилка код створити розділ вказано використання тип таблиці чи інструкції "
        "параметр типу після користувача неможливо кількість поза файла передбачено містить "
        "пересування некоректний із буде бази без дані встановити запису підтримки отримати функції "
        "регістр символ рядок розмір"
    ),
    "ru": (
        "и в не на что с это я по как но к у за из от для вы мы он все так его или то же было если "
        "есть спасибо также только быть при чтобы был они удалось нельзя значение файл использовать "
        "данных может файла должен имя параметр тип ошибка инструкции после является умолчанию строки "
        "используется невозможно список пользователя нет слишком будет функции ли типа таблицы "
        "требуется уже код каталог должно во регистр записи число должны существует без содержит "
        "файлов можно строка"
    ),
    "be": (
        "і ў не на што з гэта як да за але для ад пра мы вы ён або таксама калі яго мае кожны чалавек "
        "права"
    ),
    "bg": (
        "и на да се не в за е от с по че като са това ще ли но към или при до има всички този които "
        "който може съм сме благодаря човек право всеки бъде опцията извеждане файл ако без дали "
        "файлове само подаване име неуспешно командата индекса трябва след дърво работното хранилище "
        "със използва чрез неправилен файла във обект стойност клон когато грешка изпълнение "
        "директория информация бъдат изходен сливане съдържа която ред обекти няма неправилна брой "
        "команда опциите"
    ),
    "sr": (
        "и у је се на да за од су не са о што то који није сам или би ако као те све само али има "
        "може сви ће право човек свако ли могу датотеке користи датотека број исписује када бити "
        "вредност назив излазно из приказује датотеку које садржи даје треба опција уколико без која "
        "између опције осим више одељак излаз назива аргумент након директоријум елемент резултат "
        "помоћу величина текст ван позитиван наредбе приликом стање неисправна неисправан"
    ),
    "mk": (
        "и на да се не во за е од со по дека како што ќе или при до има сите овој кои може секој "
        "право"
    ),
    "kk": "және бір мен бұл да де үшін осы деп болып ол өз керек бар құқығы адам",
    "hi": "के में की है और का को से हैं पर एक यह नहीं कि भी ने लिए या हो तो आप हम कर इस कृपया धन्यवाद",
    "mr": "आणि आहे या च्या व ते तर हे की नाही आहेत मध्ये होते करण्यात त्याच्या प्रत्येक",
    "ne": "र को मा छ हो यो पनि का लाई छन् गर्न भने हुने प्रत्येक गरेको तथा",
    "ar": "في من على إلى أن هذا التي لا ما عن مع كل أو هو هذه كان قد شكرا لكم ذلك الذي حق",
    "fa": "و در به از که این را با است برای آن یک می خود تا بر یا هم شما ما دارد کند شود هر",
    "ur": "کے کی میں ہے اور سے کا کو نے پر یہ ہیں اس کہ بھی ہر نہیں ایک",
}

LETTERS: Final = {
    "az": "ə",
    "cs": "řěů",
    "de": "ßäüö",
    "da": "øæå",
    "no": "øåæ",
    "es": "ñ¿¡",
    "et": "õäüö",
    "fi": "äö",
    "fr": "êçèàœ",
    "hr": "đćčšž",
    "hu": "őűö",
    "is": "þðæ",
    "lt": "ėųįū",
    "lv": "āēīķļņģū",
    "mt": "ħġż",
    "pl": "łąęśżźćń",
    "pt": "ãõç",
    "ro": "ățșţ",
    "sk": "ľĺŕôä",
    "sl": "čšž",
    "sv": "åäö",
    "tr": "ğışç",
    "vi": "ơưđăạảấầẩậắằặẹẻếềểễệỉịọỏốồổộớờởợụủứừửựỳỹ",
    "sq": "ëç",
    "ca": "·çàò",
    "gl": "ñ",
    "uk": "іїєґ",
    "be": "ўі",
    "ru": "ыэ",
    "bg": "ъ",
    "sr": "ђћјљњ",
    "mk": "ѓќѕјљњ",
    "kk": "әғқңөұүһі",
    "fa": "پچژگکی",
    "ur": "ٹڈڑںےہگ",
    "ar": "ةىأإيك",
}
